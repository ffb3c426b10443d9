"use strict";
/* The linked charts of the chosen trials: a colour a cell, dashes a clip, as in the figures. */

const MOST_LINES = 200;
const DARK = matchMedia("(prefers-color-scheme: dark)");

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Return a cell's colour, lighter where the page is dark. */
function cellColor(spec) {
  const hex = DATA.cells.find((cell) => cell.spec === spec).color;
  if (!DARK.matches) return hex;
  const parts = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return `rgb(${parts.map((part) => Math.round(part + (255 - part) * 0.4)).join(",")})`;
}

/** Group trials by what sets lines apart: study, cell, clip. */
function groups(trials) {
  const found = new Map(), of = DATA.trials;
  for (const trial of trials) {
    const name = [of.place[trial], of.specs.cell[trial], of.specs.clip[trial]].join("\n");
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(trial);
  }
  return [...found.values()];
}

/** Return what a trial's group is called: cell, clip and, of two studies, which. */
function called(trial) {
  const of = DATA.trials, clip = DATA.clips.find((one) => one.spec === of.specs.clip[trial]);
  const cell = DATA.cells.find((one) => one.spec === of.specs.cell[trial]);
  return `${cell.label} · ${clip.label}` + (DATA.studies.length > 1 ? " · " + DATA.studies[of.place[trial]] : "");
}

/** Return how a trial is drawn; those of a second study have wide pale lines and open marks. */
function look(trial) {
  const of = DATA.trials, clip = DATA.clips.find((one) => one.spec === of.specs.clip[trial]), second = of.place[trial] > 0;
  return {
    name: plain(called(trial)), opacity: second ? 0.6 : 1,
    line: { color: cellColor(of.specs.cell[trial]), dash: clip.dash, width: second ? 4 : 1.5 },
    marker: second ? { size: 8, symbol: "circle-open" } : { size: 4 },
  };
}

const DASHES = { solid: "none", dash: "9 4", dot: "2 3", dashdot: "9 3 2 3", longdash: "14 4", longdashdot: "14 3 2 3" };

function drawn(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Say once, for all charts, which line is which. */
function drawKey(trials) {
  document.getElementById("key").replaceChildren(...groups(trials).map(([first]) => {
    const { line, opacity } = look(first), picture = drawn("svg", { width: 36, height: 10, "aria-hidden": "true" });
    picture.append(drawn("line", { x2: 36, y1: 5, y2: 5, opacity, stroke: line.color, "stroke-width": line.width, "stroke-dasharray": DASHES[line.dash] }));
    return element("li", {}, picture, " ", element("bdi", {}, called(first)));
  }));
}

/** Charts read some markup in texts; here there is none. */
function plain(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Return a trace a group, its trials' lines apart by gaps. `points` gives a trial's [xs, ys], or null. */
function traces(trials, points, more) {
  return groups(trials).map((members) => {
    const x = [], y = [], customdata = [];
    for (const trial of members) {
      const found = points(trial);
      if (!found) continue;
      found[0].forEach((at, place) => { x.push(at); y.push(found[1][place]); customdata.push(trial); });
      x.push(null); y.push(null); customdata.push(null);
    }
    return { x, y, customdata, mode: "lines+markers", type: "scatter", ...look(members[0]), ...more };
  }).filter((trace) => trace.x.length);
}

function evenly(trials) {
  const step = Math.ceil(trials.length / MOST_LINES);
  return trials.filter((_, place) => place % step === 0);
}

function layout(x, y, more) {
  const axis = { gridcolor: color("--line"), zerolinecolor: color("--line"), automargin: true, exponentformat: "power" };
  return {
    paper_bgcolor: "transparent", plot_bgcolor: "transparent", height: 380, margin: { l: 55, r: 15, t: 10, b: 45 },
    font: { family: "system-ui, sans-serif", size: 12, color: color("--ink") }, hovermode: "closest",
    hoverlabel: { namelength: -1 }, legend: { orientation: "h", y: -0.3, yanchor: "top" }, showlegend: false,
    xaxis: { ...axis, title: { text: x } }, yaxis: { ...axis, title: { text: y } }, ...more(axis),
  };
}

const WAITING = new Map();
/* Charts are drawn when they come near the view, so that a page of many trials opens before they are all made. */
const NEAR = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    const drawn = WAITING.get(target.id);
    if (!isIntersecting || !drawn) continue;
    WAITING.delete(target.id);
    drawn();
  }
}, { rootMargin: "50% 0px" });

/** Draw into a place as soon as it is near the view; where there is nothing, its section goes. */
function plot(place, data, how, pick) {
  const div = document.getElementById(place);
  document.getElementById("box-" + place).hidden = !data.length;
  WAITING.delete(place);
  NEAR.unobserve(div);
  if (!data.length) return;
  WAITING.set(place, () => {
    Plotly.react(div, data, how, { displaylogo: false, displayModeBar: false, responsive: true });
    if (!pick || div.dataset.picks) return;
    div.dataset.picks = "yes";
    div.on("plotly_click", (event) => {
      const trial = event.points[0].customdata;
      if (typeof trial === "number") pick(trial);
    });
  });
  NEAR.observe(div);
}

function drawCharts(trials, task, pick) {
  drawKey(trials);
  const of = DATA.trials, few = evenly(trials), curve = (trial) => DATA.curves[trial];
  const seed = of.texts[of.columns.indexOf("seed")];
  const named = (made) => made.map((trace) => ({ ...trace, text: trace.customdata.map((trial) => (trial === null ? "" : "seed " + seed[trial])) }));
  const hover = (what) => ({ hovertemplate: `%{text}<br>update %{x}<br>${what} %{y}` });
  const measured = (name) => (trial) => curve(trial) && [curve(trial).update, curve(trial)[name]];
  const lines = [["floor", task.floor], ["solved below", task.below]].filter(([, at]) => at > 0);
  const across = (at, on) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: at, y1: at, yref: on || "y", line: { color: color("--quiet"), width: 1 } });
  plot("curves", named(traces(few, measured("error"), hover("error"))), layout("updates", plain(task.error), () => ({
    shapes: lines.map(([, at]) => across(at)),
    annotations: lines.map(([name, at]) => ({ xref: "paper", x: 1, y: at, text: `${name} ${Number(at.toPrecision(3))}`, showarrow: false, xanchor: "right", yanchor: "bottom", font: { size: 10, color: color("--quiet") } })),
  })), pick);
  const clips = new Set(trials.map((trial) => of.specs.clip[trial]));
  const thresholds = DATA.clips.filter((clip) => clip.threshold !== null && clips.has(clip.spec));
  const norms = named(traces(few, measured("norm"), hover("norm")));
  const shares = named(traces(few, measured("clipped"), { ...hover("clipped share"), yaxis: "y2" }));
  plot("norms", norms.length ? [...norms, ...shares] : [], layout("updates", "", (axis) => ({
    xaxis: { ...axis, anchor: "y2", title: { text: "updates" } },
    yaxis: { ...axis, type: "log", domain: [0.36, 1], title: { text: "norm, log axis" } },
    yaxis2: { ...axis, domain: [0, 0.26], range: [-0.05, 1.05], title: { text: "clipped" } },
    shapes: thresholds.map((clip) => across(clip.threshold)),
  })), pick);
  plot("solving", groups(trials).map(steps).filter((trace) => trace.x.length > 1), layout("updates", "not solved yet", (axis) => ({
    yaxis: { ...axis, range: [-0.05, 1.08], title: { text: "not solved yet (share)" } },
  })));
  const reach = (trial) => DATA.reach[trial];
  const heard = named(traces(few, (trial) => reach(trial) && [reach(trial).lag, reach(trial).median], { hovertemplate: "%{text}<br>%{x} steps back<br>signal %{y:.3g}" }));
  const bounds = traces(few.filter((trial) => reach(trial) && reach(trial).fading !== null && reach(trial).fading < 1),
    (trial) => [reach(trial).lag, reach(trial).lag.map((lag) => reach(trial).fading ** lag)],
    { mode: "lines", hovertemplate: "bound<br>%{x} steps back<br>%{y:.3g}" });
  bounds.forEach((trace) => { trace.line = { ...trace.line, dash: "dot", width: 1 }; });
  const needed = few.map(reach).find((one) => one && one.needed !== null);
  plot("reach", heard.length ? [...heard, ...bounds] : [], layout("steps back", "", (axis) => ({
    yaxis: { ...axis, type: "log", title: { text: "signal, log axis" } },
    shapes: needed ? [{ type: "line", x0: needed.needed, x1: needed.needed, yref: "paper", y0: 0, y1: 1, line: { color: color("--quiet"), width: 1 } }] : [],
  })), pick);
  drawSlices(trials);
}

/** Return the share of a group's trials that is not solved yet (Kaplan & Meier 1958), unsolved ones censored. */
function steps(members) {
  const of = DATA.trials, there = members.filter((trial) => of.counted[trial]);
  const ends = [...new Set(there.filter((trial) => of.solved[trial]).map((trial) => of.watched_updates[trial]))].sort((a, b) => a - b);
  const x = there.length ? [0] : [], y = there.length ? [1] : [];
  let share = 1;
  for (const end of ends) {
    const risk = there.filter((trial) => of.watched_updates[trial] >= end).length;
    share *= 1 - there.filter((trial) => of.solved[trial] && of.watched_updates[trial] === end).length / risk;
    x.push(end); y.push(share);
  }
  if (there.length) { x.push(Math.max(...there.map((trial) => of.budget_updates[trial]))); y.push(share); }
  const style = look(members[0]);
  return { x, y, mode: "lines", type: "scatter", ...style, line: { ...style.line, shape: "hv" }, hovertemplate: `update %{x}<br>%{y:.3g} of ${there.length}` };
}

function drawSlices(trials) {
  const found = trials.map((trial) => DATA.slices[trial]).filter(Boolean);
  const names = [...new Set(found.flatMap(Object.keys))];
  const name = names.includes("attractors") ? "attractors" : names[0];
  const made = groups(trials).map((members) => {
    const sums = new Map();
    for (const of of members.map((trial) => (DATA.slices[trial] || {})[name]).filter(Boolean)) {
      of.value.forEach((value, at) => { if (of.error[at] !== null) sums.set(value, [...(sums.get(value) || []), of.error[at]]); });
    }
    const y = [...sums.values()].map((errors) => errors.reduce((a, b) => a + b, 0) / errors.length);
    return { x: [...sums.keys()].map(plain), y, mode: "lines+markers", type: "scatter", ...look(members[0]), hovertemplate: "%{x}<br>error %{y:.3g}" };
  }).filter((trace) => trace.x.length);
  const told = made.some((trace) => trace.x.length > 1) ? made : [];
  plot("slices", told, layout(plain(name || ""), "", (axis) => ({
    xaxis: { ...axis, type: "category", title: { text: plain(name || "") } }, yaxis: { ...axis, title: { text: "error" } },
  })));
}

/** Draw what is stored of one trial: its curve, its reach by phase, its gates. */
function drawTrialCharts(trial, task) {
  const curve = DATA.curves[trial], reach = DATA.reach[trial], gates = DATA.gates[trial], line = look(trial);
  const small = (x, y, more) => ({ ...layout(x, y, more), height: 260, showlegend: true });
  const lines = (of, trace) => Object.entries(of).map(([name, one]) => ({ type: "scatter", mode: "lines", name: plain(name), ...trace(one) }));
  plot("trial-curve", curve ? [{ x: curve.update, y: curve.error, type: "scatter", mode: "lines+markers", ...line, hovertemplate: "update %{x}<br>error %{y}" }] : [],
    { ...small("updates", plain(task.error), () => ({})), showlegend: false });
  plot("trial-reach", reach ? lines({ ...reach.before, end: reach }, (one) => ({ x: one.lag, y: one.median, hovertemplate: "%{x} steps back<br>signal %{y:.3g}" })) : [],
    small("steps back", "", (axis) => ({ yaxis: { ...axis, type: "log", title: { text: "signal, log axis" } } })));
  plot("trial-along", gates ? lines(gates.along, (means) => ({ x: [...means.keys()], y: means, text: gates.read.map(plain), hovertemplate: "step %{x}, read %{text}<br>%{y:.3g}" })) : [],
    small(gates ? "step, network at the " + gates.phase : "", "", (axis) => ({ yaxis: { ...axis, range: [-0.02, 1.02], title: { text: "gate" } } })));
  plot("trial-spread", gates ? lines(gates.spread, (one) => ({ x: one.left, y: one.share, line: { shape: "hv" }, hovertemplate: "from %{x}<br>share %{y:.3g}" })) : [],
    small("gate, closed to open", "", (axis) => ({ yaxis: { ...axis, rangemode: "tozero", title: { text: "share of values" } } })));
}
