"use strict";
/* Joins choices, charts, tables and the trial that is looked at; everything is drawn from the fragment. */

const TRIALS = DATA.trials;
const KEY = TRIALS ? TRIALS.texts[0] : [];
let trialTable = null;

function matching(state) {
  const listed = (name, value) => !state[name].length || state[name].includes(String(value));
  return [...KEY.keys()].filter((trial) => TRIALS.specs.task[trial] === state.task
    && listed("study", DATA.studies[TRIALS.place[trial]]) && listed("cell", TRIALS.specs.cell[trial])
    && listed("clip", TRIALS.specs.clip[trial]) && listed("rate", TRIALS.lr[trial]));
}

function select(name, label, options, value) {
  const made = element("select", { id: "choose-" + name, on: { change: () => choose({ [name]: made.value, trial: "" }) } },
    ...options.map(([worth, text]) => element("option", { value: worth, selected: worth === value }, text)));
  return element("div", {}, element("label", { for: "choose-" + name }, label), made);
}

function boxes(name, label, options, values) {
  if (options.length < 2) return "";
  const all = options.map(([worth]) => worth);
  const picked = (worth) => !values.length || values.includes(worth);
  const change = (worth, on) => {
    const left = all.filter((one) => (one === worth ? on : picked(one)));
    choose({ [name]: left.length === all.length ? [] : left.length ? left : values, trial: "" });
    if (!left.length) draw();
  };
  return element("fieldset", {}, element("legend", {}, label), ...options.map(([worth, text]) => {
    const box = element("input", { type: "checkbox", checked: picked(worth), id: `choose-${name}-${worth}`, on: { change: () => change(worth, box.checked) } });
    return element("label", { class: "box" }, box, " ", element("bdi", {}, text));
  }));
}

function drawChoices(state) {
  const focus = document.activeElement && document.activeElement.id;
  const lags = [...new Set(DATA.tasks.map((task) => task.lag))].sort((a, b) => a - b);
  const tasks = DATA.tasks.filter((task) => state.lag === "" || String(task.lag) === state.lag);
  const rates = [...new Set(TRIALS.lr)].sort((a, b) => a - b);
  document.getElementById("choose").replaceChildren(
    element("div", { class: "row" }, select("task", "Task", tasks.map((task) => [task.spec, task.label]), state.task),
      lags.length > 1 ? select("lag", "Lag", [["", "any"], ...lags.map((lag) => [String(lag), String(lag)])], state.lag) : ""),
    boxes("study", "Study", DATA.studies.map((name) => [name, name]), state.study),
    boxes("cell", "Cell", DATA.cells.map((cell) => [cell.spec, cell.label]), state.cell),
    boxes("clip", "Clip", DATA.clips.map((clip) => [clip.spec, clip.label]), state.clip),
    boxes("rate", "Rate", rates.map((rate) => [String(rate), String(rate)]), state.rate));
  const again = focus && focus.startsWith("choose-") && document.getElementById(focus);
  if (again) again.focus();
}

const TRIAL_CHARTS = {
  "trial-curve": "Learning curve", "trial-reach": "Reach by lag",
  "trial-along": "Gates along one sequence, mean of the units", "trial-spread": "How far gates are open",
};

/** Show one trial: its values, its curves, what lenses found, and the command that trains it again alone. */
function drawTrial(trial, task) {
  const place = document.getElementById("trial");
  place.hidden = trial < 0;
  if (trial < 0) { place.replaceChildren(); return; }
  const told = TRIALS.columns.map((name, at) => [name, TRIALS.texts[at][trial]]).filter(([, value]) => value !== "" && value !== "-");
  const close = element("button", { type: "button", on: { click: () => choose({ trial: "" }) } }, "Close");
  const frames = DATA.frames[trial] || [];
  place.replaceChildren(
    element("div", { class: "tools" }, element("h2", {}, "Trial ", element("code", {}, KEY[trial])), close),
    element("dl", { class: "made" }, ...told.slice(1).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, element("bdi", {}, value))))),
    element("div", { class: "charts" }, ...Object.entries(TRIAL_CHARTS).map(([id, title]) =>
      element("section", { id: "box-" + id }, element("h3", {}, title), element("div", { class: "chart", id })))),
    frames.length ? element("div", {}, element("h3", {}, "What lenses found"), element("ul", { class: "frames" }, ...frames.map((text) => element("li", {}, text)))) : "",
    element("p", {}, "Train it once more, alone: ", element("code", {}, "longlag rerun " + KEY[trial])));
  drawTrialCharts(trial, task);
}

let shownTrial = "";

function draw() {
  if (location.hash && !location.hash.includes("=")) return;
  const state = chosen(), trials = matching(state), task = DATA.tasks.find((one) => one.spec === state.task);
  drawChoices(state);
  const curves = Math.min(trials.length, evenly(trials).length);
  document.getElementById("shown").textContent = `${trials.length} of ${KEY.length} trials`
    + (curves < trials.length ? `; charts of curves draw ${curves} of them, evenly picked` : "")
    + (DATA.more_frames ? "; with this many trials, a single trial has no charts of gates and of earlier reach" : "")
    + (DATA.thinned > 1 ? `; curves hold one evaluation in ${DATA.thinned} and the last` : "") + ".";
  drawCharts(trials, task, (trial) => choose({ trial: KEY[trial] }));
  trialTable.only(new Set(trials));
  drawTrial(KEY.indexOf(state.trial), task);
  if (state.trial && state.trial !== shownTrial) document.getElementById("trial").focus();
  shownTrial = state.trial;
}

function begin() {
  document.getElementById("explorer").hidden = false;
  document.documentElement.classList.add("explored");
  DATA.settings.forEach((table, at) => {
    makeTable(document.getElementById("settings-table-" + (at + 1)), table.name + "-settings", table);
  });
  if (!TRIALS) {
    for (const id of ["choose", "key", "charts", "shown"]) document.getElementById(id).hidden = true;
    document.getElementById("trials").replaceChildren("There are too many trials for one page; longlag export has them all.");
    return;
  }
  trialTable = makeTable(document.getElementById("trials"), DATA.studies.join("-") + "-trials", TRIALS, (key) => choose({ trial: key }));
  draw();
  addEventListener("hashchange", draw);
  DARK.addEventListener("change", draw);
}

begin();
