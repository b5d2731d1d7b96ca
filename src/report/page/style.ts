/**
 * The look of the page. Colours are those of Okabe and Ito, which readers with any kind of colour vision can tell apart,
 * darker on white and lighter on black where contrast needs it.
 */
export const STYLE = `
:root{color-scheme:light dark;--paper:#f6f6f3;--card:#fff;--ink:#1b1f24;--muted:#59616b;--rule:#e2e4e1;--accent:#0072b2;
--base:#6b7280;--local:#c26a00;--global:#0072b2;--personalized:#00805d;--unmerged:#8a7a00;--tuned:#b0508a;
--c0:#0072b2;--c1:#e69f00;--c2:#009e73;--c3:#cc79a7;--c4:#56b4e9;--c5:#d55e00;--c6:#8a7a00;--c7:#8b9099;--none:#ecedea;--warn:#fff4d6;--warnink:#5f4700;--shade:#1b1f2433}
@media (prefers-color-scheme:dark){:root{--paper:#121417;--card:#1a1d21;--ink:#e7eaee;--muted:#9aa4af;--rule:#2d3238;--accent:#6cbdf0;
--base:#9aa3ad;--local:#f0a92e;--global:#5ab6ee;--personalized:#2cc799;--unmerged:#c9b83a;--tuned:#e79bc8;
--c0:#3d9bd8;--c1:#e69f00;--c2:#1fb98c;--c3:#dc94ba;--c4:#8fd0f7;--c5:#ea7a2c;--c6:#c9b83a;--c7:#8b929b;--none:#262a2f;--warn:#3a2f10;--warnink:#f6dc95;--shade:#000b}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:32px 20px 64px}
h1,h2,h3,p,figure,ul,dl,dd{margin:0}
h1,h2,h3,dd,.tile b,th,td,figcaption,li{overflow-wrap:anywhere}
h1{font-size:clamp(1.6rem,4.5vw,2.3rem);line-height:1.15;letter-spacing:-.02em}
h1 span{color:var(--muted);font-weight:400}
h2{font-size:1.25rem;letter-spacing:-.01em}
h3{font-size:.95rem;margin:22px 0 10px}
.kicker{color:var(--accent);font-weight:600;font-size:.85rem;margin-bottom:4px}
.lead{font-size:1.1rem;max-width:46em;margin:12px 0 20px}
.intro,figcaption,footer{color:var(--muted);font-size:.9rem}
.intro{max-width:52em;margin:4px 0 16px}
.notice{background:var(--warn);color:var(--warnink);border-radius:8px;padding:10px 14px;margin:14px 0 0;font-size:.95rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:10px}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px 14px}
.tile b{display:block;font-size:1.12rem;white-space:nowrap;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
.tile span{color:var(--muted);font-size:.82rem;line-height:1.3;display:block}
section{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:20px 22px;margin-top:18px}
section>h2+.grid2,section>h2+p{margin-top:8px}
.grid2{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:20px 28px}
.grid2>figure,.multiples>figure{min-width:0}
.grid2>figure{max-width:540px}
.multiples{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,225px),1fr));gap:16px 18px;margin-top:16px}
.multiples figcaption{color:var(--ink);font-size:.85rem;font-weight:600;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
figcaption{margin-bottom:6px}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{fill:var(--muted);font-size:11px;font-family:inherit;font-variant-numeric:tabular-nums}
.grid{stroke:var(--rule);stroke-width:1}
.axis{stroke:var(--muted);stroke-width:1;opacity:.5}
.link{stroke:var(--muted);stroke-width:2;opacity:.3}
.line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.k-down .line{stroke-dasharray:7 4}
.band{fill:var(--c);opacity:.16}
.mark{fill:var(--c);stroke:var(--card);stroke-width:1}
.hit{fill:transparent}
.ring{fill:none;stroke:var(--c);stroke-width:1.6}
g:hover>.mark{stroke:var(--ink)}
.k-base{--c:var(--base)}.k-local{--c:var(--local)}.k-global,.k-loss,.k-down{--c:var(--global)}.k-personalized,.k-up{--c:var(--personalized)}.k-unmerged{--c:var(--unmerged)}.k-tuned{--c:var(--tuned)}
.r-0{--c:var(--c0)}.r-1{--c:var(--c1)}.r-2{--c:var(--c2)}.r-3{--c:var(--c3)}.r-4{--c:var(--c4)}.r-5{--c:var(--c5)}.r-6{--c:var(--c6)}.r-7{--c:var(--c7)}
.c-0{fill:var(--c0)}.c-1{fill:var(--c1)}.c-2{fill:var(--c2)}.c-3{fill:var(--c3)}.c-4{fill:var(--c4)}.c-5{fill:var(--c5)}.c-6{fill:var(--c6)}.c-7{fill:var(--c7)}
.p-merged{fill:var(--c2)}.p-joined{fill:var(--c4)}.p-late{fill:var(--c1)}.p-dropped{fill:var(--c7)}.p-failed{fill:var(--c5)}.p-none{fill:var(--none)}
.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:4px 16px;margin-top:8px;font-size:.85rem;color:var(--muted)}
.legend li{display:flex;align-items:center;gap:6px}
.grid2>.legend{flex-direction:column;justify-content:center;gap:10px;font-size:.92rem}
.legend svg{width:auto;flex:none}
.grid2+.scroll{margin-top:18px}
.scroll{overflow-x:auto;max-width:100%;max-height:80vh;overflow-y:auto;background:linear-gradient(to left,var(--card) 40%,transparent) right/48px 100% no-repeat local,linear-gradient(to left,var(--shade),transparent) right/16px 100% no-repeat scroll}
.scroll.paper{max-height:none}
.paper img{border-radius:8px;display:block;width:100%;min-width:820px;height:auto}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:6px 9px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th:first-child{text-align:left;padding-left:0;position:sticky;left:0;background:var(--card);white-space:normal;min-width:7em}
thead th{color:var(--muted);font-weight:500;vertical-align:bottom;position:sticky;top:0;background:var(--card);z-index:1}
thead th:first-child{z-index:2}
th button{font:inherit;color:inherit;background:none;border:0;padding:2px 0;text-align:inherit;cursor:pointer}
th button::after{content:" ↕";opacity:.55}
th button:hover{color:var(--ink)}
th[aria-sort] button{color:var(--ink);font-weight:600}
th[aria-sort=ascending] button::after{content:" ↑";opacity:1}
th[aria-sort=descending] button::after{content:" ↓";opacity:1}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:2px}
[hidden]{display:none!important}
.find{position:sticky;top:0;z-index:3;display:flex;flex-wrap:wrap;align-items:center;gap:4px 12px;background:var(--paper);padding:10px 0;margin-top:8px;font-size:.92rem}
.find input{font:inherit;color:var(--ink);background:var(--card);border:1px solid var(--muted);border-radius:8px;padding:6px 10px;flex:0 1 20em;min-width:8em}
.find output{color:var(--muted)}
.find+section{margin-top:4px}
html{scroll-padding-top:64px}
.live{display:flex;flex-wrap:wrap;align-items:center;gap:4px 14px;max-width:1120px;margin:0 auto;padding:14px 20px 0;font-size:.92rem;min-height:2.6em;font-variant-numeric:tabular-nums}
.live progress{accent-color:var(--accent);width:180px}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tbody th{font-weight:600}
tfoot th,tfoot td{border-bottom:0;color:var(--muted);font-weight:500}
.best{font-weight:700;color:var(--ink)}
.home{color:var(--c);font-weight:600}
.grid2 table{font-size:.82rem}
.grid2 th:first-child{min-width:4.5em}
.names,th.names{white-space:normal;text-align:left;min-width:12em}
.plain{padding-left:1.1em;font-size:.92rem}
.multiples+.plain{margin-top:16px}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,250px),1fr));gap:2px 24px;font-size:.88rem}
.facts div{display:flex;justify-content:space-between;gap:12px;border-bottom:1px solid var(--rule);padding:4px 0}
.facts .wide{grid-column:1/-1}
.facts dt{color:var(--muted);flex:none}
.facts dd{text-align:right;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.82rem}
details{margin-top:18px}
summary{cursor:pointer;font-size:.92rem;color:var(--accent);margin-bottom:8px}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.88em}
footer{margin-top:24px}
@media (max-width:560px){main{padding:20px 12px 40px}section{padding:16px 14px;border-radius:10px}.tiles{grid-template-columns:1fr 1fr}.multiples{grid-template-columns:repeat(2,minmax(0,1fr));gap:14px 12px}.multiples figcaption{white-space:normal}svg text{font-size:13px}.aside{display:none}table{font-size:.82rem}th,td{padding:6px 5px}th:first-child{min-width:8em}.grid2 .names{min-width:8em}}
@media print{.live,.find{display:none}.scroll{max-height:none}section{break-inside:avoid}body{background:#fff}}
`;
