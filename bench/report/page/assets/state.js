"use strict";
/* What is chosen, kept in the address's fragment: a link shows the same view, and back and forward work. */

const DATA = JSON.parse(document.getElementById("data").textContent);
const CHOICES = ["study", "cell", "clip", "rate"];

/** Return what the fragment says: a task, lists for each of CHOICES (empty: all), and a trial's key. */
function chosen() {
  const said = new URLSearchParams(location.hash.slice(1));
  const state = { task: said.get("task"), lag: said.get("lag") || "", trial: said.get("trial") || "" };
  for (const name of CHOICES) state[name] = said.getAll(name);
  const known = DATA.tasks.filter((task) => state.lag === "" || String(task.lag) === state.lag);
  if (!known.some((task) => task.spec === state.task)) state.task = known.length ? known[0].spec : null;
  return state;
}

/** Change what is chosen; the browser remembers the view before. */
function choose(changes) {
  const state = Object.assign(chosen(), changes);
  const said = new URLSearchParams();
  for (const name of ["task", "lag", "trial"]) if (state[name]) said.set(name, state[name]);
  for (const name of CHOICES) for (const value of state[name]) said.append(name, value);
  location.hash = said.toString();
}

/** Make an element; its children are elements, or texts that stay texts whatever they hold. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "on") for (const [event, react] of Object.entries(value)) made.addEventListener(event, react);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}
