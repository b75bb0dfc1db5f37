// The units of one case side by side: their pictures, and their meshes in 3D when they are asked for.
"use strict";

const gallery = document.getElementById("gallery");
const waiting = new Map();  // key of a script -> what is called with its content
const contents = new Map();

// Meshes and the 3D viewer are scripts that call this: a page of a file URL may load nothing else.
function loaded(key, content) {
  contents.set(key, content);
  waiting.get(key)?.(content);
}

function load(key, address) {
  if (contents.has(key)) return Promise.resolve(contents.get(key));
  return new Promise((resolve, reject) => {
    waiting.set(key, resolve);
    const script = element("script", {src: address});
    script.addEventListener("error", () => reject(new Error(`${address} cannot be read`)));
    document.head.append(script);
  });
}

// The answer that holds what a script gave, gzipped and in base64.
function unpacked(content) {
  const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}

let viewer = null;

function loadViewer() {
  viewer ??= load(null, "../model-viewer.js").then(async content => {
    const module = document.createElement("script");
    module.type = "module";
    module.textContent = await unpacked(content).text();
    document.head.append(module);
    await customElements.whenDefined("model-viewer");
  });
  return viewer;
}

async function showModel(picture, unit, name) {
  await loadViewer();
  const mesh = await unpacked(await load(unit.place, `${unit.place}/mesh.js`)).blob();
  const model = element("model-viewer", {
    src: URL.createObjectURL(mesh), alt: `${name}, ${unit.case}: 3D view from its front`, "camera-controls": "",
    "touch-action": "pan-y", "interaction-prompt": "none", "camera-orbit": "0deg 75deg 100%", "field-of-view": "30deg",
    "min-camera-orbit": "auto 0deg 20%", "max-camera-orbit": "auto 180deg 300%", "shadow-intensity": "0.4", exposure: "0.8", "tone-mapping": "neutral",
  });
  model.addEventListener("load", () => URL.revokeObjectURL(model.src), {once: true});
  model.addEventListener("wheel", event => {  // the wheel scrolls the page; with Ctrl or Command it zooms
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
  }, {capture: true, passive: true});
  model.addEventListener("camera-change", event => {  // all turn together
    if (event.detail.source !== "user-interaction") return;
    const orbit = model.getCameraOrbit();
    for (const other of gallery.querySelectorAll("model-viewer")) {
      if (other !== model) other.cameraOrbit = `${orbit.theta}rad ${orbit.phi}rad 100%`;
    }
  });
  picture.replaceChildren(model);
}

function unitFigure(row, unit) {
  const column = Math.max(0, columnOf(state.figure));
  const picture = element("div", {class: "picture"});
  if (unit.files.includes("v")) {
    picture.append(element("img", {src: `${unit.place}/views.webp`, loading: "lazy", width: "512", height: "128", alt: `${row.name}, ${unit.case}, seed ${unit.seed}: views from several sides`}));
  } else {
    picture.append(unit.state === "done" ? "no picture in the record" : unit.state);
  }
  const seeds = new Set(row.units.map(one => one.seed)).size;
  const facts = [seeds > 1 ? `seed ${unit.seed}` : "", unit.seconds ? `${figure(unit.seconds)} s` : "", ...unit.marks].filter(Boolean).join(" · ");
  const caption = element("figcaption", {}, element("b", {}, row.name), element("span", {class: "figure"}, figure(unit.values[column], column)));
  const more = element("span", {class: "more"}, facts ? `${facts} · ` : "");
  if (unit.place) more.append(element("a", {href: `${unit.place}/${unit.state === "failed" ? "failure" : "result"}.json`}, "record"));
  caption.append(more);
  if (unit.files.includes("m")) {
    const button = element("button", {type: "button", "aria-label": `${row.name} in 3D`}, "3D");
    button.addEventListener("click", () => showModel(picture, unit, row.name).then(() => button.remove(), problem => picture.replaceChildren(problem.message)));
    caption.append(button);
  }
  if (unit.error) caption.append(element("span", {class: "error"}, `${unit.state}: ${unit.error}`));
  return element("figure", {class: `card unit${row.kind === "method" ? "" : " baseline"}`}, picture, caption);
}

function showCase() {
  const rows = board.rows.filter(row => row.kind !== "method" ? row.units.some(unit => unit.case === state.case) : matches(row));
  const order = [...rows.filter(row => row.kind === "oracle"), ...rows.filter(row => row.kind === "method").sort(compare), ...rows.filter(row => row.kind === "trivial")];
  const figures = order.flatMap(row => row.units.filter(unit => unit.case === state.case).map(unit => unitFigure(row, unit)));
  gallery.replaceChildren(...figures);
  document.getElementById("all-3d").hidden = !gallery.querySelector("figcaption button");
}

for (const button of document.querySelectorAll("#cases button[data-step]")) {
  button.addEventListener("click", () => {
    const index = board.cases.indexOf(state.case) + Number(button.dataset.step);
    update({case: board.cases[(index + board.cases.length) % board.cases.length]});
  });
}
document.getElementById("all-3d").addEventListener("click", () => {
  for (const button of gallery.querySelectorAll("figcaption button")) button.click();
});
listeners.push(showCase);
