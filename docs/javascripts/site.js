// What scrolls within itself can be reached by the keyboard: code, wide tables.
const reachable = () =>
  document.querySelectorAll("pre > code, .md-typeset__scrollwrap").forEach((element) => {
    if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
  });
addEventListener("load", reachable);
addEventListener("resize", reachable);
