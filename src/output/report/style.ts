/**
 * The style sheet of the page. Blue and orange are Okabe and Ito's, which colour-blind people can distinguish. Text has a contrast of
 * at least 4.5 to its background in light and dark mode.
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --raised: #f4f6f8; --ink: #1a1c1f; --dim: #5a6169; --line: #cfd5db;
  --blue: #0072b2; --orange: #d55e00; --pale: #9aa5b1;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --raised: #1e2327; --ink: #e8eaed; --dim: #a4abb3; --line: #3a4148;
    --blue: #56b4e9; --orange: #e69f00; --pale: #6b7681;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 24px; }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; }
h3 { margin: 12px 0 6px; font-size: .95rem; font-weight: 600; overflow-wrap: anywhere; }
dd small { display: block; margin-top: 2px; color: var(--dim); font-size: .75rem; }
td small { margin-left: 6px; color: var(--dim); }
h2 { margin: 0 0 4px; font-size: 1.1rem; }
header p, section > p, figure p { margin: 4px 0 12px; color: var(--dim); overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: 12px; margin: 20px 0 28px; }
.figures div { display: flex; flex-direction: column; justify-content: space-between; padding: 10px 14px; border-radius: 8px; background: var(--raised); }
dt { color: var(--dim); font-size: .85rem; line-height: 1.3; }
dd { margin: 4px 0 0; font-size: 1.5rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.parts { columns: 560px 2; column-gap: 32px; }
.parts section { margin: 0; padding-bottom: 32px; } /* a margin would be lost at the end of a column */
figure p { margin-top: 0; }
section > .note { margin: 10px 0 0; }
section { margin-bottom: 32px; break-inside: avoid; }
figure { margin: 0; container-type: inline-size; }
.wide { display: none; }
.scroll { overflow-x: auto; }
@container (min-width: 560px) { .wide { display: block; } .narrow { display: none; } }
svg { display: block; max-width: none; color: var(--ink); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0 0 8px; padding: 0; list-style: none; font-size: .85rem; }
.legend li { display: flex; align-items: center; gap: 6px; }
.legend span { width: 12px; height: 12px; background: var(--blue); }
.legend .dot { width: 9px; height: 9px; background: var(--orange); transform: rotate(45deg); }
.legend .tick { width: 16px; height: 3px; background: var(--orange); }
.legend .pale { background: var(--pale); }
details { margin-top: 10px; }
summary { cursor: pointer; color: var(--dim); }
table { border-collapse: collapse; margin-top: 8px; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--dim); padding-bottom: 4px; }
th, td { padding: 3px 14px 3px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; white-space: nowrap; }
thead th { color: var(--dim); font-weight: 600; white-space: normal; vertical-align: bottom; }
tbody th { position: sticky; left: 0; background: var(--paper); font-weight: 400; }
tbody th, #failures td:last-child { min-width: 8em; white-space: normal; overflow-wrap: anywhere; }
#failures :is(tbody th, td:last-child) { min-width: 16em; }
data, code { white-space: nowrap; font: inherit; }
.cells { display: flex; flex-wrap: wrap; gap: 4px 32px; }
.cell { min-width: 140px; max-width: 100%; }
.cell h3 { width: 0; min-width: 100%; }
.cell ol { display: flex; flex-wrap: wrap; gap: 18px; margin: 0; padding: 0; list-style: none; }
.cell li { width: 140px; font-size: .85rem; line-height: 1.35; overflow-wrap: anywhere; }
.cell p { margin: 6px 0 0; }
.cell img, .missing { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: var(--raised); border-radius: 6px; }
.cell .missing { display: grid; place-items: center; margin: 0; color: var(--dim); }
.path { color: var(--dim); font-size: .75rem; }
@media (max-width: 480px) { main { padding: 16px; } th, td { padding-right: 9px; } td small { display: block; margin: 0; } .cell { width: 100%; } .cell ol { gap: 14px; } .cell li { width: calc(50% - 7px); } }
`;
