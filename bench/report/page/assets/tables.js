"use strict";
/* Tables that are sorted, filtered and taken away as CSV; rows beyond a page are shown a page at a time. */

const PAGE = 50, PRINTED = 1000;

/** Return the number that a text begins with, after "> "; null where it has none. */
function leading(text) {
  const found = /^(?:> )?(-?\d[\d.]*(?:e[-+]?\d+)?)/.exec(text);
  return found ? parseFloat(found[1]) + (text.startsWith("> ") ? 0.5 : 0) : null;
}

/** Write one cell of a CSV file that a spreadsheet will not take for a formula. */
function csvCell(text) {
  const safe = /^[=+@\t\r-]/.test(text) && !/^-?\d[\d.e+-]*$/.test(text) && text !== "-" ? "'" + text : text;
  return /[",\n\r]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
}

function download(name, columns, rows, texts) {
  const lines = [columns, ...rows.map((row) => texts.map((column) => column[row]))];
  const text = lines.map((line) => line.map(csvCell).join(",")).join("\n") + "\n";
  const link = element("a", { href: URL.createObjectURL(new Blob(["\ufeff" + text], { type: "text/csv" })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

/** Put a table into a place. `table`: columns, words (columns of words), texts (by column); `pick` gets a row's key. */
function makeTable(place, title, table, pick) {
  const words = new Set(table.words);
  let sorted = { column: null, down: false }, filter = "", page = 0, allowed = null, size = PAGE;
  const search = element("input", { type: "search", "aria-label": "Filter " + title, placeholder: "Filter", on: { input: () => { filter = search.value.toLowerCase(); page = 0; draw(); } } });
  const save = element("button", { type: "button", on: { click: () => download(title + ".csv", table.columns, rows(), table.texts) } }, "Download CSV");
  const count = element("span", { role: "status" });
  const body = element("tbody"), pages = element("div", { class: "pages" });
  const heads = table.columns.map((name, at) => {
    const button = element("button", { type: "button", on: { click: () => sort(at) } }, name);
    const printed = element("span", { class: "printed", "aria-hidden": "true" }, name);  // on later sheets, where buttons are not
    return element("th", { scope: "col", class: words.has(name) ? "word" : null }, button, printed);
  });
  const scroll = element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Table of " + title },
    element("table", {}, element("caption", { class: "hidden" }, title), element("thead", {}, element("tr", {}, ...heads)), body));
  place.replaceChildren(element("div", { class: "tools" }, search, save, count), scroll, pages);

  function sort(at) {
    sorted = { column: at, down: sorted.column === at && !sorted.down };
    heads.forEach((head, other) => {
      if (other === at) head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    draw();
  }

  function rows() {
    let found = [...table.texts[0].keys()];
    if (allowed) found = found.filter((row) => allowed.has(row));
    if (filter) found = found.filter((row) => table.texts.some((column) => column[row].toLowerCase().includes(filter)));
    if (sorted.column === null) return found;
    const texts = table.texts[sorted.column], sign = sorted.down ? -1 : 1;
    const keys = words.has(table.columns[sorted.column]) ? null : texts.map(leading);
    const order = (a, b) => keys
      ? (keys[a] === null) - (keys[b] === null) || sign * (keys[a] - keys[b])
      : sign * texts[a].localeCompare(texts[b], "en", { numeric: true });
    return found.sort((a, b) => order(a, b) || a - b);
  }

  function draw() {
    const found = rows(), last = Math.max(0, Math.ceil(found.length / size) - 1);
    page = Math.min(page, last);
    body.replaceChildren(...found.slice(page * size, (page + 1) * size).map((row) => element("tr", {}, ...table.columns.map((name, at) => {
      const text = element("bdi", {}, table.texts[at][row]), look = words.has(name) ? "word" : null;
      if (at > 0) return element("td", { class: look }, text);
      const inside = pick ? element("button", { type: "button", class: "key", on: { click: () => pick(table.texts[0][row]) } }, text) : text;
      return element("th", { scope: "row", class: "word" }, inside);
    }))));
    count.textContent = found.length === table.texts[0].length ? `${found.length} rows` : `${found.length} of ${table.texts[0].length} rows`;
    const turn = (to, name) => element("button", { type: "button", disabled: to < 0 || to > last, on: { click: () => { page = to; draw(); } } }, name);
    pages.replaceChildren(...(last ? [turn(page - 1, "Previous"), `Page ${page + 1} of ${last + 1}`, turn(page + 1, "Next")] : []));
  }

  if (!pick) for (const [event, most] of [["beforeprint", PRINTED], ["afterprint", PAGE]]) addEventListener(event, () => { size = most; draw(); });
  draw();
  return { only(some) { allowed = some; page = 0; draw(); } };
}
