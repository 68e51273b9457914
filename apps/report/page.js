"use strict";
// The table: sorted, filtered, a page at a time, from the JSON in this page. The map: by keyboard.
// Text goes into the page as text only, never as HTML.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const { columns, rows } = data;
  const PAGE = 100;

  // The same text as apps/html_text.cc makes.
  const figure = (value) => {
    if (value === 0) return "0";
    const [digits, power] = value.toExponential(2).split("e");
    const exponent = Number(power);
    if (exponent < -4 || exponent > 5) return `${digits}e${exponent}`;
    if (exponent <= 2) return Number(`${digits}e${exponent}`).toFixed(2 - exponent);
    return String(Number(`${digits}e${exponent}`));
  };
  const count = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const size = (value) => {
    const units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let unit = 0;
    for (; value >= 999.95 && unit + 1 < units.length; ++unit) value /= 1000;
    return `${value.toFixed(unit === 0 ? 0 : 1)}\u00a0${units[unit]}`;
  };
  const ENDLESS = { inf: Infinity, "-inf": -Infinity, nan: NaN };
  const SIGNS = { inf: "\u221e", "-inf": "-\u221e", nan: "NaN" };
  const FORMS = {
    name: String, text: String, count, bytes: size, figure,
    cosine: (value) => value.toFixed(6), decibel: (value) => value.toFixed(1),
  };
  const isNumber = (kind) => kind !== "name" && kind !== "text";
  const shown = (value, kind) => {
    if (value === null) return "\u2013";
    if (isNumber(kind) && value in SIGNS) return SIGNS[value];
    return FORMS[kind](value);
  };

  const haystacks = rows.map((row) =>
    row.filter((_, i) => !isNumber(columns[i].kind)).join("\n").toLowerCase());
  const collator = new Intl.Collator("en", { numeric: true });
  let order = rows.map((_, i) => i);
  let sorted = { column: -1, direction: 0 };
  let found = order;
  let page = 0;

  const make = (name, text, properties = {}) => {
    const element = Object.assign(document.createElement(name), properties);
    if (text !== "") element.textContent = text;
    return element;
  };

  const show = () => {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(page, pages - 1);
    const lines = found.slice(page * PAGE, (page + 1) * PAGE).map((index) => {
      const line = document.createElement("tr");
      columns.forEach(({ kind }, i) => {
        const text = shown(rows[index][i], kind);
        line.append(kind === "name" ? make("th", text, { scope: "row" })
          : make("td", text, { className: isNumber(kind) ? "n" : "" }));
      });
      return line;
    });
    byId("rows").replaceChildren(...lines);
    byId("count").textContent = found.length === rows.length
      ? `${count(rows.length)} rows` : `${count(found.length)} of ${count(rows.length)} rows`;
    byId("pages").hidden = pages === 1;
    byId("place").textContent = `Page ${count(page + 1)} of ${count(pages)}`;
    byId("back").setAttribute("aria-disabled", String(page === 0));
    byId("on").setAttribute("aria-disabled", String(page === pages - 1));
  };

  const filter = () => {
    const words = byId("filter").value.toLowerCase().split(/\s+/).filter((word) => word !== "");
    found = words.length === 0 ? order
      : order.filter((index) => words.every((word) => haystacks[index].includes(word)));
    page = 0;
    show();
  };

  // What is no number comes last, in either direction; so does what is missing.
  const compareBy = (column, direction) => {
    const { kind } = columns[column];
    if (!isNumber(kind)) {
      return (x, y) => direction * collator.compare(rows[x][column], rows[y][column]) || x - y;
    }
    const keys = rows.map((row) => {
      const value = row[column];
      return value === null ? NaN : value in ENDLESS ? ENDLESS[value] : Number(value);
    });
    return (x, y) => {
      const [a, b] = [keys[x], keys[y]];
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b) || x - y;
      return a === b ? x - y : a < b ? -direction : direction;
    };
  };

  const heads = [...document.querySelectorAll("#table thead th")];
  heads.forEach((head, column) => {
    const button = make("button", head.textContent, { type: "button" });
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      // Of numbers the largest first, of text the first.
      const first = isNumber(columns[column].kind) ? -1 : 1;
      const direction = sorted.column === column ? -sorted.direction : first;
      sorted = { column, direction };
      order = rows.map((_, i) => i).sort(compareBy(column, direction));
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
      filter();
    });
  });

  const turn = (step) => (event) => {
    if (event.currentTarget.getAttribute("aria-disabled") === "true") return;
    page += step;
    show();
    byId("table").scrollIntoView();
  };
  byId("back").addEventListener("click", turn(-1));
  byId("on").addEventListener("click", turn(1));
  byId("filter").addEventListener("input", filter);
  byId("tools").hidden = false;
  show();

  // Maps: one cell of each can be reached by Tab, the others from there by the arrow keys.
  const tip = byId("tip");
  const hideTip = () => { tip.hidden = true; };
  const showTip = (cell) => {
    const table = cell.closest("table");
    const layer = table.tHead.rows[0].cells[cell.cellIndex].textContent;
    const where = /^\d+$/.test(layer) ? `layer ${layer}` : "beside the layers";
    tip.replaceChildren(make("b", `${cell.parentElement.cells[0].textContent}, ${where}`),
      cell.getAttribute("aria-label"));
    tip.hidden = false;
    const box = cell.getBoundingClientRect();
    const left = box.left + box.width / 2 - tip.offsetWidth / 2;
    tip.style.left = `${Math.max(8, Math.min(left, innerWidth - tip.offsetWidth - 8))}px`;
    const above = box.top - tip.offsetHeight - 8;
    tip.style.top = `${above < 8 ? box.bottom + 8 : above}px`;
  };
  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  document.querySelectorAll("table.map").forEach((table) => {
    const lines = [...table.tBodies[0].rows].map((row) => [...row.cells].slice(1));
    let current = table.querySelector("td.m");
    if (current === null) return;
    table.setAttribute("role", "grid");
    current.tabIndex = 0;
    const goTo = (cell) => {
      current.tabIndex = -1;
      cell.tabIndex = 0;
      current = cell;
      cell.focus();
    };
    table.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return hideTip();
      const line = current.parentElement.sectionRowIndex;
      const place = current.cellIndex - 1;
      let cell;
      if (event.key === "Home") cell = lines[line].find((other) => other.matches(".m"));
      if (event.key === "End") cell = lines[line].findLast((other) => other.matches(".m"));
      const step = STEPS[event.key];
      if (step !== undefined) {
        // Over the gaps to the next cell in that direction.
        for (let i = line + step[0], k = place + step[1]; lines[i]?.[k]; i += step[0], k += step[1]) {
          if (lines[i][k].matches(".m")) { cell = lines[i][k]; break; }
        }
      }
      if (step === undefined && cell === undefined) return;
      event.preventDefault();
      if (cell !== undefined) goTo(cell);
    });
    table.addEventListener("focusin", (event) => {
      if (event.target.matches("td.m")) showTip(event.target);
    });
    table.addEventListener("focusout", hideTip);
    table.addEventListener("mouseover", (event) => {
      const cell = event.target.closest("td.m");
      if (cell === null) hideTip(); else showTip(cell);
    });
    table.addEventListener("mouseleave", hideTip);
  });
  addEventListener("scroll", hideTip, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
})();
