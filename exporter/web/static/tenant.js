// Prepares the tables of the page of a tenant for phones. The page does not refresh itself.

import { labelTable } from "./tables.js";

document.querySelectorAll("table").forEach(labelTable);
