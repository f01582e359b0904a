// On a phone, each row is shown as a paragraph with a label per cell. For screen readers, the roles keep it a table.
export function labelTable(table) {
  [table.role, table.tHead.role, table.tBodies[0].role, table.tHead.rows[0].role] = ["table", "rowgroup", "rowgroup", "row"];
  table.querySelectorAll("thead th").forEach((heading) => { heading.role = "columnheader"; });
  table.querySelectorAll("tbody tr").forEach((row) => label(row, table));
}

export function label(row, table) {
  row.role = "row";
  [...row.cells].forEach((cell, column) => {
    cell.role = column ? "cell" : "rowheader";
    cell.dataset.label = table.tHead.rows[0].cells[column].textContent.trim();
  });
  return row;
}
