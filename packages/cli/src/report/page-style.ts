/** Colours of Okabe and Ito, which those who see few colours tell apart; nothing is said by colour alone. */
export const pageStyle = `
:root{color-scheme:light dark;--ink:#16202a;--soft:#52606d;--paper:#fff;--sheet:#f4f6f8;--line:#d5dbe1;--span:#0072b2;--moment:#b35400;--good:#00664d;--goodbg:#e0f4ee;--warn:#7a4a00;--warnbg:#fff1d6;--bad:#a11a00;--badbg:#fde6e1;--link:#00568a}
@media (prefers-color-scheme:dark){:root{--ink:#e8edf2;--soft:#a9b6c2;--paper:#11171d;--sheet:#1a222a;--line:#36424d;--span:#56b4e9;--moment:#f0a13c;--good:#5fd3b0;--goodbg:#10332a;--warn:#f5c26b;--warnbg:#3a2a0c;--bad:#ff9e8a;--badbg:#451a12;--link:#7cc4f0}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--sheet);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
header,main,footer{max-width:72rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .25rem}
h2{font-size:1.3rem;line-height:1.3;margin:0 0 .75rem}
h3{font-size:1.05rem;margin:1.5rem 0 .5rem}
p{margin:.25rem 0 .75rem}
a{color:var(--link)}
section{background:var(--paper);border:1px solid var(--line);border-radius:.5rem;padding:1.25rem;margin:1.25rem 0}
.soft{color:var(--soft)}
.small{font-size:.875rem}
.tag{display:inline-block;border:1px solid currentColor;border-radius:1rem;padding:0 .6rem;font-size:.8125rem;font-weight:600;white-space:nowrap}
.good{color:var(--good);background:var(--goodbg)}.warning{color:var(--warn);background:var(--warnbg)}.error{color:var(--bad);background:var(--badbg)}
.problems{list-style:none;margin:0;padding:0}
.problems li{border:1px solid var(--line);border-left:.3rem solid var(--warn);border-radius:.3rem;padding:.6rem .8rem;margin:0 0 .6rem}
.problems li.is-error{border-left-color:var(--bad)}
.problems p{margin:.25rem 0 0}
code{font:.875em ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace}
table{width:100%;border-collapse:collapse;font-size:.9375rem}
caption{text-align:left;color:var(--soft);font-size:.875rem;padding-bottom:.4rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid var(--line)}
thead th{color:var(--soft);font-size:.8125rem;font-weight:600;border-bottom-width:2px}
tbody th{font-weight:600}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
time{font-variant-numeric:tabular-nums;white-space:nowrap}
thead th{overflow-wrap:normal}
table+table{margin-top:1.25rem}
.lane{margin:0 0 .75rem}
.lane p{margin:0 0 .2rem;font-size:.875rem}
.lane svg,.key svg{display:block;width:100%;height:1.25rem}
.track{fill:var(--sheet);stroke:var(--line)}
.span{fill:var(--span)}
.moment{stroke:var(--moment);stroke-width:3px}
.axis{display:flex;justify-content:space-between;gap:.5rem;font-size:.75rem;color:var(--soft);margin:0 0 .5rem}
.key{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;font-size:.8125rem;color:var(--soft);list-style:none;padding:0;margin:0 0 1rem}
.key li{display:flex;align-items:center;gap:.4rem}.key svg{width:1.75rem;height:.9rem;flex:none}
footer{color:var(--soft);font-size:.8125rem;padding-bottom:2rem}
@media screen and (max-width:64rem){
table,tbody,tr,th,td,caption{display:block;width:auto}
tbody .n{white-space:normal;text-align:left}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tbody tr{border:1px solid var(--line);border-radius:.4rem;padding:.4rem .7rem;margin:0 0 .6rem}
tbody th,tbody td{border:0;padding:.12rem 0;text-align:left}
tbody td{display:grid;grid-template-columns:7.5rem minmax(0,1fr);gap:.6rem}
tbody td::before{content:attr(data-label);color:var(--soft);font-size:.8125rem}
tbody td.empty{display:none}
}
@media screen and (max-width:44rem){
body{font-size:15px}
header,main,footer{padding-left:.6rem;padding-right:.6rem}
section{padding:.9rem .75rem;margin:.8rem 0}
.axis span:nth-child(even){display:none}
}
@media print{
:root{color-scheme:light;--ink:#000;--soft:#444;--paper:#fff;--sheet:#fff;--line:#bbb;--span:#0072b2;--moment:#b35400;--good:#00513d;--goodbg:#fff;--warn:#6b4100;--warnbg:#fff;--bad:#8f1700;--badbg:#fff;--link:#000}
body{font-size:10pt}
table{font-size:8pt}
th,td{padding:.2rem .3rem}
.n,time,.tag{white-space:normal}
.axis span:nth-child(even){display:none}
header,main,footer{max-width:none;padding:0}
section{border:0;border-top:1px solid #bbb;border-radius:0;padding:.6rem 0;margin:.6rem 0}
h2,h3,caption{break-after:avoid}
tr,.lane,.problems li{break-inside:avoid}
thead{display:table-header-group}
.span,.track,.moment{print-color-adjust:exact;-webkit-print-color-adjust:exact}
a{text-decoration:none}
}
`
