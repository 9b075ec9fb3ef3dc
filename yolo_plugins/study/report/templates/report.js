function connectScatter() {
  const place = document.getElementById("scatter");
  const selects = ["x", "y"].map((id) => document.getElementById(id));
  const show = () => {
    const figure = plots.scatter[selects.map((select) => select.value).join(" ")];
    if (figure) draw(place, figure);
    else Plotly.react(place, [], { annotations: [{ text: "no model has both", showarrow: false }] }, config);
  };
  selects.forEach((select) => select.addEventListener("change", show));
  show();
}

function connectCurve(select) {
  const show = () => draw(document.getElementById(`${select.id}-plot`), plots.curves[select.value]);
  select.addEventListener("change", show);
  show();
}

document.querySelectorAll("#training select").forEach(connectCurve);
connectScatter();
Object.entries(plots.checks).forEach(([name, figure]) => draw(document.getElementById(`${name}-plot`), figure));
