// Looked at from inside a page; run_html.py puts these before what it asks.

// "module, layer" -> [mark, text] of the cells of a map.
const mapCells = (map) => Object.fromEntries([...map.tBodies[0].rows].flatMap((row) =>
  [...row.querySelectorAll("td.m")].map((cell) => [
    `${row.cells[0].textContent}, ${map.tHead.rows[0].cells[cell.cellIndex].textContent}`,
    [cell.textContent, cell.getAttribute("aria-label")]])));

const figures = () => [...document.querySelectorAll("figure")].map((figure) => ({
  bars: [...figure.querySelectorAll("rect")].map((bar) => Number(bar.getAttribute("height"))),
  counts: [...figure.querySelectorAll("tbody tr")].map((row) => [
    Number(row.cells[0].querySelector("sup").textContent),
    Number(row.cells[1].textContent.replace(/\u202f/g, ""))]),
}));

// Elements and attributes that the templates do not have.
const strangers = () => {
  const names = new Set(("html head meta title style body a header p div span svg path h1 h2 dl dt dd " +
    "main section ul li table caption thead tbody tr th td figure figcaption rect text tspan sup " +
    "details summary label input nav button footer script b noscript").split(" "));
  return [...document.querySelectorAll("*")].filter((element) =>
    !names.has(element.localName) ||
    [...element.attributes].some(({ name }) => name.startsWith("on") || name === "autofocus"),
  ).map((element) => element.outerHTML.slice(0, 200));
};

const structure = () => {
  const wrong = [];
  const must = (holds, what, element) => {
    if (!holds) wrong.push(`${what}: ${element ? element.outerHTML.slice(0, 150) : ""}`);
  };
  const all = (selector) => [...document.querySelectorAll(selector)];
  must(document.documentElement.lang === "en", "lang");
  must(document.title.length > 5, "title");
  must(all("h1").length === 1, "one h1");
  for (const landmark of ["header", "main", "footer"]) must(all(`body > ${landmark}`).length === 1, landmark);
  let level = 1;
  for (const heading of all("h1, h2, h3, h4")) {
    const next = Number(heading.localName[1]);
    must(next <= level + 1 && heading.textContent.trim() !== "", "heading", heading);
    level = next;
  }
  for (const picture of all("svg, img")) {
    must(picture.getAttribute("aria-hidden") === "true" ||
      (picture.getAttribute("role") === "img" && picture.getAttribute("aria-label")), "picture", picture);
  }
  for (const table of all("table")) must(table.caption?.textContent.trim(), "caption", table);
  for (const head of all("th")) must(["col", "row"].includes(head.scope), "scope", head);
  for (const head of all("thead th")) must(head.textContent.trim(), "empty heading", head);
  for (const head of all("#table thead th")) {
    must(head.ariaSort !== null && head.querySelector("button"), "sortable", head);
  }
  for (const input of all("input")) must(input.labels.length === 1, "label", input);
  for (const button of all("button")) must(button.textContent.trim(), "button", button);
  for (const region of all(".scroll")) {
    must(region.tabIndex === 0 && (region.getAttribute("aria-label") ||
      document.getElementById(region.getAttribute("aria-labelledby"))), "region", region);
  }
  for (const cell of all("td.m, .legend .m")) must(cell.textContent.trim(), "a colour alone", cell);
  const ids = all("[id]").map((element) => element.id);
  must(new Set(ids).size === ids.length, "ids");
  return wrong;
};

// Texts whose contrast with what is behind them is below 4.5.
const faint = () => {
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = channels(colour).slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((channels(colour)[3] ?? 1) === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() === "" || ["SCRIPT", "NOSCRIPT"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const front = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
    const back = behind(element);
    const [light, dark] = [luminance(front), luminance(back)].sort((x, y) => y - x);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) found.set(`${front} on ${back}: ${contrast.toFixed(2)} ${element.className}`, 1);
  }
  return [...found.keys()];
};
