"use strict";

const plots = JSON.parse(document.getElementById("plots").textContent);
const touch = matchMedia("(pointer: coarse)").matches;
const buttons = ["toImage", "zoom2d", "pan2d", "resetScale2d"]; // no other: one of the rest shares through a server
const config = { responsive: true, displaylogo: false, displayModeBar: touch ? false : "hover", modeBarButtons: [buttons] };

function draw(place, figure) {
  const { data, layout } = structuredClone(figure); // plotly writes into what it is given
  layout.dragmode = touch ? false : "zoom"; // on a touch screen a finger on a plot scrolls the page
  if (place.clientWidth < 600) {
    // Names on the plot would cover each other: on a phone a touch on a model shows its name.
    data.forEach((trace) => { trace.mode = trace.mode.replace("+text", ""); });
    [layout.xaxis, layout.yaxis].forEach((axis) => Object.assign(axis, { tickangle: 0, tickfont: { size: 10 } }));
    if (layout.xaxis.tickvals?.length > 7) {
      ["tickvals", "ticktext"].forEach((name) => { layout.xaxis[name] = layout.xaxis[name].filter((_, index) => index % 2); });
    }
    layout.xaxis.title.font = layout.legend.font = { size: 11 };
    layout.margin = { ...layout.margin, l: 40 };
  }
  Plotly.react(place, data, layout, config);
}

// Plots go on paper as they are on a wide screen; the style sheet shrinks them to an A4 or letter page.
const paper = { width: 900, height: 600, autosize: false };
const screen = { width: null, height: null, autosize: true };
const resize = (size) => document.querySelectorAll(".js-plotly-plot").forEach((place) => Plotly.relayout(place, size));
addEventListener("beforeprint", () => resize(paper));
addEventListener("afterprint", () => resize(screen));

function compare(first, second, numeric, sign) {
  // Rows without a value stay last in both directions.
  if (first === "" || second === "") return (first === "") - (second === "");
  return sign * (numeric ? Number(first) - Number(second) : first.localeCompare(second));
}

function connectSorting(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, index) => {
    head.firstElementChild.addEventListener("click", () => {
      const ascending = head.ariaSort !== "ascending";
      const key = (row) => row.cells[index].dataset.key;
      const numeric = head.classList.contains("number");
      const rows = [...table.tBodies[0].rows];
      rows.sort((first, second) => compare(key(first), key(second), numeric, ascending ? 1 : -1));
      table.tBodies[0].append(...rows);
      heads.forEach((other) => { other.ariaSort = "none"; });
      head.ariaSort = ascending ? "ascending" : "descending";
    });
  });
}

document.querySelectorAll("table.sortable").forEach(connectSorting);
