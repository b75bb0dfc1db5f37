// Quality against cost: a point for each method with its interval, and the front that no other method surpasses in both.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const EDGE = {left: 64, right: 150, top: 18, bottom: 44};
const FAR = 2;  // how many times the methods' range a baseline may be off to have its line

function drawn(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Round numbers between two bounds: of a logarithmic axis those of 1 to 9 times powers of ten that leave some room.
function ticks(low, high, logarithmic) {
  if (logarithmic) {
    const powers = Array.from({length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1}, (_, i) => 10 ** (Math.floor(Math.log10(low)) + i));
    const between = leads => powers.flatMap(power => leads.map(lead => lead * power)).filter(one => one >= low && one <= high);
    const few = [[1], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 6, 8]].map(between);
    return few.find(some => some.length >= 4) ?? few[2];
  }
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(lead => lead * power).find(one => one >= rough);
  const first = Math.ceil(low / step);
  return Array.from({length: Math.max(0, Math.floor(high / step) - first + 1)}, (_, i) => (first + i) * step);
}

function front(points, better) {
  const sorted = [...points].sort((a, b) => a.x - b.x || (better === "higher" ? b.y - a.y : a.y - b.y));
  let best = null;
  return sorted.filter(point => {
    const improves = best === null || (better === "higher" ? point.y > best : point.y < best);
    if (improves) best = point.y;
    return improves;
  });
}

function plot() {
  const place = document.getElementById("plot"), column = columnOf(state.y);
  const points = shownRows().filter(row => row.scores[column] && row.costs[state.x] > 0).map(row => {
    const [y, low, high] = row.scores[column];
    return {name: row.name, x: row.costs[state.x], y, low, high};
  });
  if (!points.length) {
    place.replaceChildren(element("p", {class: "empty"}, "no method here has this cost in its records"));
    return;
  }
  const width = Math.max(340, Math.min(1180, place.clientWidth)), height = width < 600 ? 320 : 420;
  const edge = width < 600 ? {...EDGE, left: 52, right: 24} : EDGE;
  const bounds = board.rows.filter(row => row.kind !== "method" && row.scores[column]).map(row => ({name: row.name, y: row.scores[column][0]}));
  const ys = points.flatMap(point => [point.low, point.high]), xs = points.map(point => point.x);
  let [low, high] = [Math.min(...ys), Math.max(...ys)];
  const reach = FAR * (high - low || Math.abs(high) || 1);
  const far = bounds.filter(bound => bound.y < low - reach || bound.y > high + reach);  // would press the methods together
  const near = bounds.filter(bound => !far.includes(bound));
  [low, high] = [Math.min(low, ...near.map(bound => bound.y)), Math.max(high, ...near.map(bound => bound.y))];
  const air = (high - low || Math.abs(high) || 1) * 0.08;
  [low, high] = [low - air, high + air];
  const [left, right] = [Math.min(...xs) / 1.35, Math.max(...xs) * 1.35];
  const toX = x => edge.left + (Math.log(x) - Math.log(left)) / (Math.log(right) - Math.log(left)) * (width - edge.left - edge.right);
  const toY = y => height - edge.bottom - (y - low) / (high - low) * (height - edge.top - edge.bottom);

  const best = front(points, board.better[column]);
  const cost = document.querySelector("select[name=x]").selectedOptions[0].textContent;
  const svg = drawn("svg", {viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${state.y} against ${cost}; not surpassed in both: ${best.map(point => point.name).join(", ")}. The table has the numbers.`});
  for (const y of ticks(low, high, false)) {
    svg.append(drawn("line", {class: "grid", x1: edge.left, x2: width - edge.right, y1: toY(y), y2: toY(y)}),
      drawn("text", {class: "tick", x: edge.left - 10, y: toY(y) + 4, "text-anchor": "end"}, Number(y.toPrecision(6))));
  }
  for (const x of ticks(left, right, true)) {
    svg.append(drawn("line", {class: "grid", y1: edge.top, y2: height - edge.bottom, x1: toX(x), x2: toX(x)}),
      drawn("text", {class: "tick", x: toX(x), y: height - edge.bottom + 18, "text-anchor": "middle"}, Number(x.toPrecision(3)).toLocaleString("en")));
  }
  svg.append(drawn("text", {class: "tick", x: (edge.left + width - edge.right) / 2, y: height - 6, "text-anchor": "middle"}, `${cost}, logarithmic`));
  svg.append(drawn("text", {class: "tick", x: edge.left + 6, y: edge.top - 4}, `${board.better[column] === "higher" ? "↑ higher" : "↓ lower"} is better`));
  for (const bound of far) {
    const above = bound.y > high;
    svg.append(drawn("text", {class: "tick", x: width - edge.right - 6, y: above ? edge.top + 12 : height - edge.bottom - 8, "text-anchor": "end"},
      `${bound.name} ${figure(bound.y, column)} ${above ? "↑" : "↓"}`));
  }
  for (const bound of near) {
    svg.append(drawn("line", {class: "bound", x1: edge.left, x2: width - edge.right, y1: toY(bound.y), y2: toY(bound.y)}),
      drawn("text", {class: "tick", x: width - edge.right - 6, y: toY(bound.y) - 5, "text-anchor": "end"}, bound.name));
  }
  svg.append(drawn("polyline", {class: "front", points: best.map(point => `${toX(point.x)},${toY(point.y)}`).join(" ")}));
  const taken = [];
  for (const point of points) {
    const mark = drawn("g", {class: best.includes(point) ? "on" : ""}), x = toX(point.x), y = toY(point.y);
    mark.append(drawn("line", {class: "whisker", x1: x, x2: x, y1: toY(point.low), y2: toY(point.high)}),
      drawn("circle", {cx: x, cy: y, r: 5.5}), drawn("title", {}, `${point.name}: ${figure(point.y, column)} (${figure(point.low, column)}–${figure(point.high, column)}), ${figure(point.x)}`));
    const end = x > width - edge.right - 90 && width < 600, size = 7 * point.name.length;
    const box = {x: end ? x - 10 - size : x + 10, y, width: size};
    const free = [-11, 12, -25, 26, 0].find(shift => !taken.some(other =>
      Math.abs(other.y - (y + shift)) < 13 && other.x < box.x + box.width && box.x < other.x + other.width));
    if (free !== undefined) {
      taken.push({...box, y: y + free});
      mark.append(drawn("text", {class: "label", x: end ? x - 10 : x + 10, y: y + free + 4, "text-anchor": end ? "end" : "start"}, point.name));
    }
    svg.append(mark);
  }
  place.replaceChildren(svg);
}

listeners.push(changes => { if (["x", "y", "hardware", "plugin", "trust"].some(name => name in changes)) plot(); });
addEventListener("resize", plot);
