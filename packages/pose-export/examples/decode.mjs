// From the output of an exported file to people, in plain JavaScript: copy it into a client.
//
// outputs: of one call with one image, in the order of the file, {data: a flat array, dims: its shape} each,
//          as ONNX Runtime Web gives them.
// card:    the model card, the JSON under "pose_card" in the file's metadata.
// height, width: of the input.
// Returns [{box: [x1, y1, x2, y2], score, label, keypoints: [[x, y] or [x, y, score], ...]}, ...], best first,
// in pixels of the input.
export function decode(outputs, card, { height, width, conf = 0.25, iou = 0.7 }) {
  const rows = readRows(outputs, card, { height, width });
  if (card.contract === "nms") return rows.filter((person) => person.score > conf);
  const people = rows.filter((person) => person.score > conf).sort((a, b) => b.score - a.score);
  const kept = [];
  for (const person of people) {
    if (!kept.some((better) => better.label === person.label && overlap(better.box, person.box) > iou)) kept.push(person);
  }
  return kept;
}

function readRows(outputs, card, { height, width }) {
  const classes = card.names.length;
  const dims = card.keypoint_dims;
  if (card.contract === "heads") {
    const people = [];
    for (let i = 0; i < outputs.length; i += 3) people.push(...readLevel(outputs.slice(i, i + 3), classes, dims, height));
    return people;
  }
  const { data, dims: shape } = outputs[0];
  if (card.contract === "nms") {
    return range(shape[1]).map((i) => {
      const row = data.slice(i * shape[2], (i + 1) * shape[2]);
      return { box: [...row.slice(0, 4)], score: row[4], label: row[5], keypoints: split(row.slice(6), dims) };
    });
  }
  const alongRows = card.contract === "rows";
  const [count, channels] = alongRows ? [shape[1], shape[2]] : [shape[2], shape[1]];
  const [scaleX, scaleY] = card.contract === "normalised" ? [width, height] : [1, 1];
  return range(count).map((i) => {
    const at = (j) => (alongRows ? data[i * channels + j] : data[j * count + i]);
    const [a, b, c, d] = [at(0) * scaleX, at(1) * scaleY, at(2) * scaleX, at(3) * scaleY];
    const box = alongRows ? [a, b, c, d] : [a - c / 2, b - d / 2, a + c / 2, b + d / 2];
    const points = split(range(channels - 4 - classes).map((j) => at(4 + classes + j)), dims);
    const keypoints = points.map(([x, y, ...rest]) => [x * scaleX, y * scaleY, ...rest]);
    return { box, ...best(range(classes).map((j) => at(4 + j))), keypoints };
  });
}

// Logits of one level, [boxes, scores, keypoints] of shape (1, rows, h, w) each.
function readLevel([boxes, scores, points], classes, dims, inputHeight) {
  const [, , h, w] = boxes.dims;
  const stride = inputHeight / h;
  const cells = h * w;
  return range(cells).map((i) => {
    const [x, y] = [i % w, Math.floor(i / w)];
    const [left, top, right, bottom] = range(4).map((side) => {
      const logits = range(16).map((bin) => boxes.data[(16 * side + bin) * cells + i]);
      const largest = Math.max(...logits);
      const weights = logits.map((logit) => Math.exp(logit - largest));
      const total = weights.reduce((a, b) => a + b, 0);
      return weights.reduce((sum, weight, bin) => sum + weight * bin, 0) / total;
    });
    const box = [x + 0.5 - left, y + 0.5 - top, x + 0.5 + right, y + 0.5 + bottom].map((side) => side * stride);
    const raw = split(range(points.dims[1]).map((j) => points.data[j * cells + i]), dims);
    const keypoints = raw.map(([a, b, ...rest]) => [(a * 2 + x) * stride, (b * 2 + y) * stride, ...rest.map(sigmoid)]);
    return { box, ...best(range(classes).map((j) => sigmoid(scores.data[j * cells + i]))), keypoints };
  });
}

function best(scores) {
  const score = Math.max(...scores);
  return { score, label: scores.indexOf(score) };
}

function overlap(a, b) {
  const wide = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const high = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return (wide * high) / (area(a) + area(b) - wide * high);
}

const range = (count) => [...Array(count).keys()];
const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));
const split = (values, size) => range(values.length / size).map((i) => [...values.slice(i * size, (i + 1) * size)]);
