// Runs an ONNX model by transformers.js, from a folder and with the network off, and prints what it found.
//
//   node client_transformers.mjs PACKAGE MODELS NAME IMAGE DECODER CARD
//
// PACKAGE is the main file of @huggingface/transformers, DECODER is decode.mjs, CARD the model card as JSON.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [packageFile, models, name, imageFile, decoderFile, cardFile] = process.argv.slice(2);
const { AutoModel, AutoProcessor, RawImage, env } = await import(pathToFileURL(packageFile).href);
const { decode } = await import(pathToFileURL(decoderFile).href);

env.allowRemoteModels = false;
env.localModelPath = models;

const model = await AutoModel.from_pretrained(name);
const processor = await AutoProcessor.from_pretrained(name);
const { pixel_values: images } = await processor(await RawImage.read(imageFile));
const { output0: output } = await model({ images });
const [, , height, width] = images.dims;
const card = JSON.parse(readFileSync(cardFile, "utf8"));
const answer = {
  version: env.version,
  output: { data: [...output.data], dims: output.dims },
  people: decode([output], card, { height, width }),
};
console.log(JSON.stringify(answer));
