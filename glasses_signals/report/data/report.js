"use strict";
(() => {
  const root = document.documentElement;
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (systemDark.matches ? "dark" : "light")) === "dark";

  // Okabe and Ito's palette, which colour-blind readers can tell apart, lightened for dark ground.
  const LIGHT = ["#0b6a8f", "#d55e00", "#009e73", "#a8578a", "#8a6d00", "#3a86d4", "#7a4b2a", "#5b6770"];
  const DARK = ["#5fb8dc", "#ff9a4d", "#3fd0a4", "#e29ac6", "#e6c84a", "#7fb2f0", "#c99a78", "#a9b4bd"];

  function config(dark) {
    const text = dark ? "#e6eaed" : "#1c2328", soft = dark ? "#a3aeb7" : "#566069";
    const line = dark ? "#323c45" : "#d8dde2", colours = dark ? DARK : LIGHT;
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: "transparent", font,
      view: { stroke: null },
      axis: { labelColor: text, titleColor: soft, titleFontWeight: 400, labelFontSize: 12,
        titleFontSize: 12, gridColor: line, domainColor: line, tickColor: line, labelLimit: 180 },
      legend: { labelColor: text, titleColor: soft, labelFontSize: 12, labelLimit: 160 },
      range: { category: colours },
      bar: { color: colours[0] },
      line: { color: soft },
      rule: { color: soft },
      point: { color: colours[0], opacity: 1 },
    };
  }

  const views = [];
  async function draw(dark) {
    while (views.length) views.pop().finalize();
    for (const place of document.querySelectorAll(".chart")) {
      const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
      // `ast` interprets expressions, which the page's policy does not let be compiled.
      const options = { actions: false, renderer: "svg", ast: true, config: config(dark) };
      try {
        views.push(await window.vegaEmbed(place, spec, options));
        place.setAttribute("role", "img");
        place.setAttribute("aria-label", spec.description + " The data stands below as a table.");
      } catch (error) {
        place.textContent = "This chart could not be drawn; its data stands below.";
        console.error(error);
      }
    }
    root.dataset.drawn = String(views.length);
  }

  let drawing = Promise.resolve();
  const redraw = (dark) => { drawing = drawing.then(() => draw(dark)); };

  const theme = document.getElementById("theme");
  function nameTheme() {
    theme.textContent = isDark() ? "Light colours" : "Dark colours";
    theme.hidden = false;
  }
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
    redraw(isDark());
  });
  systemDark.addEventListener("change", () => { nameTheme(); redraw(isDark()); });

  // On paper: light, and everything that is folded away open.
  let before = null;
  addEventListener("beforeprint", () => {
    before = { theme: root.dataset.theme, dark: isDark() };
    root.dataset.theme = "light";
    if (before.dark) redraw(false);
  });
  addEventListener("afterprint", () => {
    if (!before) return;
    if (before.theme) root.dataset.theme = before.theme; else delete root.dataset.theme;
    if (before.dark) redraw(true);
    before = null;
  });

  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };

  function sortable(table) {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      const numeric = body.rows[0].cells[column].dataset.value !== undefined;
      if (numeric) head.classList.add("number");
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const down = now ? now === "ascending" : numeric;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].sort((a, b) => {
          const x = key(a, column), y = key(b, column);
          const order = typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true });
          return down ? -order : order;
        });
        body.append(...rows);
      });
    });
  }

  function filter(input, output, rows, noun) {
    const show = () => {
      const wanted = input.value.trim().toLowerCase();
      let shown = 0;
      for (const [row, text] of rows) {
        row.hidden = !text.includes(wanted);
        if (!row.hidden) shown += 1;
      }
      output.textContent = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} ${noun}`;
    };
    input.addEventListener("input", show);
    show();
  }

  let made = 0;
  function filterable(table) {
    const rows = [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]);
    if (rows.length < 8) return;
    const id = `filter-${made += 1}`;
    const box = document.createElement("p"), label = document.createElement("label");
    const input = document.createElement("input"), output = document.createElement("output");
    box.className = "filter";
    label.htmlFor = input.id = id;
    label.textContent = `Filter ${table.caption.textContent.toLowerCase()}`;
    input.type = "search";
    input.autocomplete = "off";
    output.htmlFor = id;
    box.append(label, input, output);
    table.parentElement.before(box);
    filter(input, output, rows, "rows");
  }

  for (const table of document.querySelectorAll("table.data")) {
    sortable(table);
    filterable(table);
  }
  const accounts = document.getElementById("account-filter");
  if (accounts) {
    const parts = [...document.querySelectorAll(".account")];
    const named = parts.map((part) => [part, part.querySelector("summary bdi").textContent.toLowerCase()]);
    filter(accounts, document.getElementById("account-count"), named, "accounts");
  }
  nameTheme();
  redraw(isDark());
})();
