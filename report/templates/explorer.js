"use strict";
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const byId = (id) => document.getElementById(id);
  const facetOf = Object.fromEntries(study.facets.map((facet, place) => [facet.key, place]));
  const ROW = facetOf[study.rows], COLUMN = facetOf[study.columns];
  const SIGNS = ["", "–", "✕", "∞"];
  const CLASSES = study.outcomes.map((name) => name.replace("-", "_"));
  const MOST = study.colours.length;
  const experiment = study.map >= 0 ? study.map : 0;
  // `facets`: the number of the chosen value, by the facet's place; -1: all. `shown`: the numbers of arms, with a slot
  // for the colour that an arm keeps while others come and go.
  const state = { experiment, facets: [], metric: 0, axis: 0, log: false, compare: false, shown: new Map() };
  const narrow = matchMedia("(max-width: 640px)");

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== undefined));
    return element;
  }

  const inExperiment = () => study.arms.map((_, place) => place).filter((place) => study.arms[place].in.includes(state.experiment));
  const fits = (arm) => state.facets.every((value, facet) => value < 0 || arm.at[facet] === value);
  // Another experiment may ask for more seeds of an arm. An arm that is not of the chosen one has all its runs.
  function runsOf(place) {
    const { runs } = study.arms[place];
    const own = runs.filter((run) => !run.e || run.e.includes(state.experiment));
    return own.length ? own : runs;
  }

  const matching = () => inExperiment().filter((place) => fits(study.arms[place]));
  const values = (arms, facet) => [...new Set(arms.map((place) => study.arms[place].at[facet]))].sort((a, b) => a - b);
  const varying = (arms) => study.facets.map((_, facet) => facet).filter((facet) => values(arms, facet).length > 1);
  const percent = (share) => (100 * share).toFixed(1) + " %";
  // Under the name of the facet the value alone says enough.
  const shorten = (text) => text.replace(/^[^,=]* = /, "");
  const capital = (text) => text[0].toUpperCase() + text.slice(1);

  // Named by what differs between the arms among which one chooses, or that are shown.
  function label(place) {
    const pool = [...new Set([...inExperiment(), ...state.shown.keys()])];
    const parts = varying(pool).map((facet) => study.facets[facet].labels[study.arms[place].at[facet]]);
    return parts.filter((part) => part !== "does not apply").join(", ") || "all runs";
  }

  function count(runs) {
    const ended = study.outcomes.map(() => 0);
    for (const run of runs) ended[run.o] += 1;
    return ended;
  }

  function describeOutcomes(runs) {
    const parts = count(runs).map((number, outcome) => (number ? `${number} ${study.outcomes[outcome]}` : ""));
    return parts.filter(Boolean).join(", ");
  }

  function mean(numbers) {
    return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  }

  function describeRuns(runs) {
    const seeds = runs.length === 1 ? "1 seed" : `${runs.length} seeds`;
    const lines = [`${seeds}: ${describeOutcomes(runs)}`, `final test accuracy ${percent(mean(runs.map((run) => run.a)))}`];
    const failed = study.outcomes.map((name, outcome) => [name, runs.filter((run) => run.o === outcome).map((run) => run.s)]);
    for (const [name, list] of failed.slice(1)) {
      if (list.length && list.length < runs.length) lines.push(`${name}: seed ${[...new Set(list)].join(", ")}`);
    }
    return lines;
  }

  // Controls

  function choice(name, key, options, value, change) {
    const select = make("select", { name: key, onchange: (event) => change(Number(event.target.value)) });
    for (const [number, text] of options) {
      const option = make("option", { value: number }, text);
      option.selected = number === value;
      select.append(option);
    }
    return make("label", {}, capital(name), select);
  }

  function check(key, text) {
    const change = (event) => { state[key] = event.target.checked; draw(); };
    return make("label", { class: "check" }, make("input", { type: "checkbox", name: key, checked: state[key], onchange: change }), text);
  }

  function showControls() {
    const arms = inExperiment();
    const controls = [];
    if (study.experiments.length > 1) {
      const options = study.experiments.map((name, place) => [place, name]);
      controls.push(choice("experiment", "experiment", options, state.experiment, (value) => { state.experiment = value; start(); }));
    }
    for (const facet of varying(arms)) {
      const { name, key, labels } = study.facets[facet];
      const options = [[-1, "all"], ...values(arms, facet).map((value) => [value, shorten(labels[value])])];
      controls.push(choice(name, key, options, state.facets[facet], (value) => { state.facets[facet] = value; follow(); }));
    }
    controls.push(check("compare", "Compare: keep what is shown"));
    controls.push(make("button", { type: "button", name: "clear", onclick: () => { state.shown.clear(); refresh(); } }, "Clear"));
    keepFocus(byId("controls"), controls);
  }

  function showDrawing() {
    const numbered = (list) => list.map((entry, place) => [place, entry.name]);
    keepFocus(byId("drawing"), [
      choice("curve", "metric", numbered(study.metrics), state.metric, (value) => { state.metric = value; draw(); }),
      choice("over", "axis", numbered(study.axes), state.axis, (value) => { state.axis = value; draw(); }),
      check("log", "Logarithmic"),
    ]);
  }

  function keepFocus(parent, children) {
    const active = parent.contains(document.activeElement) ? document.activeElement.name : undefined;
    parent.replaceChildren(...children);
    if (active) parent.querySelector(`[name="${active}"]`)?.focus();
  }

  // The map: a table of buttons, of which one is in the order of the Tab key.

  let focused = "";

  function shade(share) {
    const place = Math.min(1, Math.max(0, (share - 0.1) / (best - 0.1))) * (study.shades.length - 1);
    const low = Math.min(study.shades.length - 2, Math.floor(place));
    const parts = (colour) => [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
    const [from, to] = [parts(study.shades[low]), parts(study.shades[low + 1])];
    return `rgb(${from.map((part, index) => Math.round(part + (place - low) * (to[index] - part))).join(" ")})`;
  }

  const best = Math.max(0.2, ...study.arms.flatMap((arm) => arm.runs.map((run) => run.a)));

  function cell(places, row, column) {
    const runs = places.flatMap(runsOf);
    const ended = count(runs);
    const majority = ended.indexOf(Math.max(...ended));
    const accuracy = mean(runs.map((run) => run.a));
    const names = places.map(label);
    const title = names.length > MOST ? `${names.length} settings` : names.join("\n");
    const lines = [title, ...describeRuns(runs)];
    const key = `${row}/${column}`;
    const button = make("button", {
      type: "button",
      class: `cell ${CLASSES[majority]}${ended[majority] < runs.length ? " mixed" : ""}`,
      style: `--face: ${majority === 0 ? shade(accuracy) : study.faces[majority]}`,
      "aria-label": lines.join("; ").replaceAll("\n", "; "),
      "aria-pressed": String(places.every((place) => state.shown.has(place))),
      tabindex: key === focused ? 0 : -1,
      "data-at": key,
      "data-tip": lines.join("\n"),
      onclick: (event) => show(places, event.shiftKey || event.ctrlKey || event.metaKey),
    }, majority === 0 ? (100 * accuracy).toFixed(0) : SIGNS[majority]);
    return button;
  }

  function showMap(arms) {
    const grid = byId("grid");
    if (!grid) return;
    const hadFocus = grid.contains(document.activeElement);
    const [rows, columns] = [values(arms, ROW).reverse(), values(arms, COLUMN)];
    const at = (row, column) => arms.filter((place) => study.arms[place].at[ROW] === row && study.arms[place].at[COLUMN] === column);
    const present = rows.flatMap((row) => columns.filter((column) => at(row, column).length).map((column) => `${row}/${column}`));
    if (!present.includes(focused)) focused = present[0] ?? "";
    const short = (facet, value) => shorten(study.facets[facet].labels[value]);
    const head = make("tr", {}, make("th", { scope: "col" }, narrow.matches ? "rate" : "rate \\ m"),
      ...columns.map((column) => make("th", { scope: "col" }, short(COLUMN, column))));
    const body = rows.map((row) => make("tr", {}, make("th", { scope: "row" }, short(ROW, row)),
      ...columns.map((column) => {
        const places = at(row, column);
        return make("td", {}, ...(places.length ? [cell(places, row, column)] : []));
      })));
    grid.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
    if (hadFocus) grid.querySelector(`[data-at="${focused}"]`)?.focus();
  }

  const MOVES = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0], Home: [0, -Infinity], End: [0, Infinity] };

  function move(event) {
    const step = MOVES[event.key];
    const current = event.target.closest(".cell");
    if (!step || !current) return;
    event.preventDefault();
    const grid = [...byId("grid").tBodies[0].rows].map((row) => [...row.cells].slice(1).map((entry) => entry.firstElementChild));
    let row = grid.findIndex((entries) => entries.includes(current));
    let column = grid[row].indexOf(current);
    let next;
    if (Number.isFinite(step[1])) {
      do { row += step[0]; column += step[1]; next = grid[row]?.[column]; } while (next === null);
    } else {
      const entries = grid[row].filter(Boolean);
      next = step[1] > 0 ? entries.at(-1) : entries[0];
    }
    next?.focus();
  }

  function rove(event) {
    const current = event.target.closest?.(".cell");
    if (!current) return;
    byId("grid").querySelector('.cell[tabindex="0"]')?.setAttribute("tabindex", -1);
    current.setAttribute("tabindex", 0);
    focused = current.dataset.at;
  }

  // What is shown

  function show(places, add) {
    const keep = add || state.compare;
    if (keep && places.every((place) => state.shown.has(place))) {
      for (const place of places) state.shown.delete(place);
    } else {
      if (!keep) state.shown.clear();
      for (const place of places.slice(0, MOST)) {
        if (state.shown.has(place)) continue;
        // The oldest gives way: there are no more colours.
        if (state.shown.size >= MOST) state.shown.delete(state.shown.keys().next().value);
        const taken = new Set(state.shown.values());
        state.shown.set(place, study.colours.findIndex((_, slot) => !taken.has(slot)));
      }
    }
    refresh();
  }

  // Where nothing that is shown fits what was chosen: the same rate and m there, or the first that fits.
  function follow() {
    const arms = matching();
    const shown = [...state.shown.keys()];
    if (!state.compare && shown.length && arms.length && !shown.some((place) => arms.includes(place))) {
      const [old] = shown;
      const same = arms.find((place) => [ROW, COLUMN].every((facet) => study.arms[place].at[facet] === study.arms[old].at[facet]));
      state.shown.clear();
      state.shown.set(same ?? arms[0], 0);
    }
    refresh();
  }

  function showList(arms) {
    const rows = arms.map((place) => {
      const runs = runsOf(place);
      const button = make("button", {
        type: "button", class: "pick", name: `arm-${place}`, "aria-pressed": String(state.shown.has(place)),
        onclick: (event) => show([place], event.shiftKey || event.ctrlKey || event.metaKey),
      }, label(place));
      return [button, String(runs.length), describeOutcomes(runs), percent(mean(runs.map((run) => run.a)))];
    });
    keepFocus(byId("list"), [table("Settings that fit; choose one to see its runs", ["Settings", "Seeds", "Outcomes", "Final test accuracy"], rows, [1, 3])]);
  }

  function table(caption, head, rows, numbers) {
    const line = (tag, entries) => make("tr", {}, ...entries.map((entry, place) =>
      make(tag, { class: numbers.includes(place) ? "number" : false, scope: tag === "th" ? "col" : false }, entry)));
    return make("table", { "aria-label": caption }, make("thead", {}, line("th", head)), make("tbody", {}, ...rows.map((row) => line("td", row))));
  }

  function swatch(slot) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("width", 34);
    svg.setAttribute("height", 10);
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    const attributes = { x1: 0, x2: 34, y1: 5, y2: 5, stroke: study.colours[slot], "stroke-width": 3, "stroke-dasharray": study.dashes[slot].join(" ") };
    for (const [name, value] of Object.entries(attributes)) line.setAttribute(name, value);
    svg.append(line);
    return svg;
  }

  // A point for each evaluation: of each run, and of the mean over runs where there are several.
  function points() {
    const single = [], means = [];
    for (const [place, slot] of state.shown) {
      const runs = runsOf(place);
      const common = { arm: label(place), slot };
      const sums = [];
      for (const run of runs) {
        const about = { ...common, run: `${place}/${run.s}`, seed: run.s, outcome: study.outcomes[run.o], accuracy: percent(run.a) };
        const xs = study.places[run.x][state.axis];
        run.v[state.metric].forEach((y, index) => {
          if (y === null || xs[index] === null || (state.log && y <= 0)) return;
          single.push({ ...about, x: xs[index], y });
          const sum = (sums[index] ??= { x: 0, y: 0, n: 0 });
          sum.x += xs[index]; sum.y += y; sum.n += 1;
        });
      }
      // Where some runs have no finite value, a mean of the others would mislead.
      sums.forEach((sum) => { if (sum.n === runs.length) means.push({ ...common, x: sum.x / sum.n, y: sum.y / sum.n, n: sum.n }); });
    }
    return { single, means };
  }

  let view, drawing = 0;

  async function draw() {
    const { single, means } = points();
    const [metric, axis] = [study.metrics[state.metric], study.axes[state.axis]];
    const names = [...state.shown.keys()].map(label);
    byId("chosen").replaceChildren(...[...state.shown].map(([place, slot]) => make("li", {}, swatch(slot), `${label(place)}: ${describeOutcomes(runsOf(place))}`)));
    byId("chart-caption").textContent = names.length
      ? `${capital(metric.name)} over ${axis.name}. Thin lines: runs, one per seed. Bold lines: means over seeds.`
      : "Nothing is shown. Choose settings above or below.";
    showTables();
    const slots = study.colours.map((_, slot) => slot);
    const colour = { field: "slot", type: "nominal", scale: { domain: slots, range: study.colours }, legend: null };
    const dash = { field: "slot", type: "nominal", scale: { domain: slots, range: study.dashes }, legend: null };
    const x = { field: "x", type: "quantitative", title: axis.name, scale: { nice: false } };
    const y = { field: "y", type: "quantitative", title: metric.name, scale: { zero: false, type: state.log ? "log" : "linear" } };
    const spec = {
      $schema: "https://vega.github.io/schema/vega-lite/v6.json",
      description: `${metric.name} over ${axis.name}: ${names.join("; ")}. The same values are in the table below.`,
      width: "container", height: 320, autosize: { type: "fit", contains: "padding" }, background: null,
      layer: [
        { data: { values: single }, mark: { type: "line", clip: true, aria: false },
          encoding: { x, y, detail: { field: "run" }, color: colour,
            strokeWidth: { condition: { param: "over", empty: false, value: 3 }, value: 1 }, strokeOpacity: { condition: { param: "over", empty: false, value: 1 }, value: 0.4 } } },
        { data: { values: means }, mark: { type: "line", clip: true, aria: false, strokeWidth: 2.6 }, encoding: { x, y, color: colour, detail: { field: "arm" }, strokeDash: dash } },
        // A wide line that is not seen, which a pointer finds.
        { data: { values: single }, params: [{ name: "over", select: { type: "point", fields: ["run"], on: "pointerover", clear: "pointerout" } }],
          mark: { type: "line", clip: true, aria: false, strokeWidth: 9, opacity: 0.001 },
          encoding: { x, y, detail: { field: "run" } } },
      ],
      config: {
        font: "system-ui, sans-serif", view: { stroke: null },
        axis: { labelColor: "currentColor", titleColor: "currentColor", domainColor: "currentColor", tickColor: "currentColor", gridColor: "currentColor", gridOpacity: 0.12, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", tickCount: narrow.matches ? 5 : 8 },
      },
    };
    spec.layer = spec.layer.filter((layer) => layer.data.values.length);
    const turn = ++drawing;
    if (!spec.layer.length) {
      view?.finalize();
      view = undefined;
      byId("chart").replaceChildren();
      byId("chart").dataset.drawn = turn;
      return;
    }
    const made = await vegaEmbed("#chart", spec, { renderer: "svg", actions: false, tooltip: false });
    if (turn !== drawing) { made.finalize(); return; }
    view?.finalize();
    view = made;
    view.view.addEventListener("pointermove", tell);
    byId("chart").dataset.drawn = turn;
  }

  function showTables() {
    const shown = [...state.shown.keys()];
    const runs = shown.flatMap((place) => runsOf(place).map((run) => [label(place), String(run.s), study.outcomes[run.o], percent(run.a), run.l.toLocaleString("en")]));
    byId("seeds").replaceChildren(table("Runs that are shown", ["Settings", "Seed", "Outcome", "Final test accuracy", "Last step"], runs, [1, 3, 4]));
    const rows = [];
    const digits = (number) => Number(number.toPrecision(4)).toString();
    for (const place of shown) {
      const { runs: all } = study.arms[place];
      const longest = all.reduce((a, b) => (b.v[state.metric].length > a.v[state.metric].length ? b : a));
      study.places[longest.x][state.axis].forEach((x, index) => {
        const found = all.map((run) => run.v[state.metric][index]).filter((y) => y !== null && y !== undefined);
        if (found.length) rows.push([label(place), String(x), digits(mean(found)), digits(Math.min(...found)), digits(Math.max(...found)), String(found.length)]);
      });
    }
    const { name } = study.metrics[state.metric];
    byId("values").replaceChildren(table(`Curves that are shown: ${name}`, ["Settings", study.axes[state.axis].name, `mean ${name}`, "least", "most", "seeds"], rows, [1, 2, 3, 4, 5]));
  }

  function refresh() {
    const arms = matching();
    showControls();
    showMap(arms);
    showList(arms);
    const fit = arms.length === 1 ? "1 setting fits" : `${arms.length} settings fit`;
    byId("count").textContent = `${fit}; ${state.shown.size} shown.`;
    draw();
  }

  // Of an experiment, the first value of each facet that is not on the map's axes; the first settings are shown.
  function start() {
    const arms = inExperiment();
    const open = new Set(byId("grid") ? [ROW, COLUMN] : study.facets.map((_, facet) => facet));
    state.facets = study.facets.map((_, facet) => (open.has(facet) || values(arms, facet).length < 2 ? -1 : values(arms, facet)[0]));
    if (!matching().length) state.facets = study.facets.map(() => -1);
    state.shown.clear();
    if (matching().length) state.shown.set(matching()[0], 0);
    refresh();
  }

  // Tips of cells, for pointer and keyboard; Escape hides them.

  const tip = byId("tip");

  function showTip(event) {
    const target = event.target.closest?.("[data-tip]");
    tip.hidden = !target;
    if (!target) return;
    tip.textContent = target.dataset.tip;
    const { left, top, bottom } = target.getBoundingClientRect();
    place(left, top, bottom);
  }

  // The seed and the outcome of the run under the pointer.
  function tell(event, item) {
    const about = item?.datum;
    tip.hidden = about?.seed === undefined;
    if (tip.hidden) return;
    tip.textContent = [about.arm, `seed ${about.seed}: ${about.outcome}`, `final test accuracy ${about.accuracy}`].join("\n");
    place(event.clientX, event.clientY, event.clientY);
  }

  // Below what lies between top and bottom, or above it, inside the window.
  function place(left, top, bottom) {
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
    tip.style.top = `${bottom + 12 + height < innerHeight ? bottom + 12 : Math.max(8, top - height - 12)}px`;
  }

  const grid = byId("grid");
  if (grid) {
    grid.addEventListener("keydown", move);
    grid.addEventListener("focusin", (event) => { rove(event); showTip(event); });
    grid.addEventListener("pointerover", showTip);
    for (const name of ["focusout", "pointerleave"]) grid.addEventListener(name, () => { tip.hidden = true; });
  }
  byId("chart").addEventListener("pointerleave", () => { tip.hidden = true; });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  for (const form of document.forms) form.addEventListener("submit", (event) => event.preventDefault());
  narrow.addEventListener("change", refresh);

  showDrawing();
  start();
})();
