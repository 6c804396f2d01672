// Runs a TF.js graph model for another program: numbers in by stdin, numbers out by stdout.
//
//   node tfjs_server.cjs FOLDER   first writes one line of JSON that says what the model is, then answers
//                                 every input of float32 with its outputs, one after the other
//   node tfjs_server.cjs          only says which versions it would run with

"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

console.log = console.info = console.warn = console.error; // stdout belongs to the answers

// Packages of the folder that the program was started in; then those of NODE_PATH.
function find(name) {
  try {
    return createRequire(path.join(process.cwd(), "here.cjs")).resolve(name);
  } catch {
    return require.resolve(name);
  }
}

async function start() {
  const tf = require(find("@tensorflow/tfjs"));
  const wasmFile = find("@tensorflow/tfjs-backend-wasm");
  const wasm = require(wasmFile);
  wasm.setWasmPaths(path.dirname(wasmFile) + path.sep);
  await tf.setBackend("wasm");
  await tf.ready();
  started = true;
  return tf;
}

function readModel(folder) {
  const document = JSON.parse(fs.readFileSync(path.join(folder, "model.json"), "utf8"));
  const groups = document.weightsManifest;
  const parts = groups.flatMap((group) => group.paths.map((name) => fs.readFileSync(path.join(folder, name))));
  const content = Buffer.concat(parts);
  const weightData = content.buffer.slice(content.byteOffset, content.byteOffset + content.byteLength);
  return { ...document, weightSpecs: groups.flatMap((group) => group.weights), weightData };
}

async function* readCalls(length) {
  let waiting = [];
  let total = 0;
  for await (const part of process.stdin) {
    waiting.push(part);
    total += part.length;
    while (total >= length) {
      const whole = Buffer.concat(waiting);
      yield whole.subarray(0, length);
      waiting = [whole.subarray(length)];
      total -= length;
    }
  }
}

async function serve(folder) {
  const tf = await start();
  const artifacts = readModel(folder);
  const model = await tf.loadGraphModel({ load: async () => artifacts });
  const [input] = model.inputs;
  const names = model.outputs.map((output) => output.name);
  const run = (images) => [model.execute({ [input.name]: images }, names)].flat();
  const first = run(tf.zeros(input.shape)); // the graph itself doesn't say the shapes of its outputs
  say({
    versions: `tfjs ${tf.version.tfjs}, ${tf.getBackend()}`,
    input: input.shape,
    outputs: Object.fromEntries(names.map((name, place) => [name, first[place].shape])),
    metadata: artifacts.userDefinedMetadata ?? {},
  });
  const count = input.shape.reduce((product, side) => product * side, 1);
  for await (const bytes of readCalls(4 * count)) {
    const numbers = new Float32Array(count);
    Buffer.from(numbers.buffer).set(bytes);
    const images = tf.tensor(numbers, input.shape, "float32");
    const found = run(images);
    for (const tensor of found) {
      const values = tensor.dataSync();
      writeAll(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
    }
    tf.dispose([images, ...found]);
  }
}

// A pipe takes what it has room for, or nothing for now.
function writeAll(bytes) {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += fs.writeSync(1, bytes, done);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

function say(message) {
  writeAll(Buffer.from(JSON.stringify(message) + "\n"));
}

async function main() {
  const folder = process.argv[2];
  if (folder) {
    await serve(folder);
  } else {
    const tf = await start();
    say({ versions: `tfjs ${tf.version.tfjs}, ${tf.getBackend()}` });
  }
}

let started = false; // what fails before is no fault of the file

main().catch((error) => {
  say({ error: String(error.message ?? error).split("\n")[0], missing: error.code === "MODULE_NOT_FOUND", started });
  process.exitCode = 1;
});
