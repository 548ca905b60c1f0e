/* Tables whose headings sort them; a second click turns the order round. */
function makeSortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, place) => {
    heading.querySelector(".sort")?.addEventListener("click", (event) => {
      const first = event.currentTarget.dataset.first;
      const other = first === "ascending" ? "descending" : "ascending";
      const order = heading.getAttribute("aria-sort") === first ? other : first;
      for (const one of headings) one.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", order);
      sortRows(table.tBodies[0], place, order === "ascending" ? 1 : -1);
    });
  });
}

/* A table that is wider than its box fades out on the side where it goes on. */
function showWidth(box) {
  const show = () => box.classList.toggle("more", box.scrollWidth - box.clientWidth - box.scrollLeft > 2);
  box.addEventListener("scroll", show, { passive: true });
  new ResizeObserver(show).observe(box);
}

function sortRows(body, place, sign) {
  const value = (row) => row.cells[place].dataset.value;
  const numbers = [...body.rows].every((row) => value(row) !== "" && !Number.isNaN(Number(value(row))));
  const compare = numbers
    ? (a, b) => Number(value(a)) - Number(value(b))
    : (a, b) => value(a).localeCompare(value(b), undefined, { numeric: true });
  body.append(...[...body.rows].sort((a, b) => sign * compare(a, b)));
}
