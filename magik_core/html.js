"use strict";
// Tooltips: an SVG <title> works without this script; with it, the text appears at once.
const tip = document.getElementById("tip");
for (const title of document.querySelectorAll("svg title")) {
  const shape = title.parentNode, text = title.textContent;
  title.remove();
  shape.addEventListener("mousemove", (event) => {
    tip.textContent = text;
    tip.style.display = "block";
    tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + "px";
    tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + "px";
  });
  shape.addEventListener("mouseleave", () => { tip.style.display = "none"; });
}
for (const bar of document.querySelectorAll("svg [data-step]")) {
  bar.addEventListener("click", () => { location.hash = "step-" + bar.dataset.step; });
}
// Sorting: a click on a heading; numbers by value, words by letters, ties by the order before.
for (const heading of document.querySelectorAll("th")) {
  heading.addEventListener("click", () => {
    const table = heading.closest("table"), body = table.tBodies[0], column = heading.cellIndex;
    const isNumber = heading.classList.contains("number");
    const isDown = heading.ariaSort ? heading.ariaSort === "ascending" : isNumber && column > 0;
    const key = (row) => { const cell = row.cells[column]; return isNumber ? Number(cell.dataset.value) : cell.textContent; };
    const order = (a, b) => isNumber ? key(a) - key(b) : key(a).localeCompare(key(b));
    for (const other of table.querySelectorAll("th")) other.ariaSort = null;
    heading.ariaSort = isDown ? "descending" : "ascending";
    body.append(...[...body.rows].sort((a, b) => isDown ? order(b, a) : order(a, b)));
  });
}
