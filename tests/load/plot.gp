# tests/load/plot.gp - the charts of docs/performance.md. Called by compare.sh with `from`, the folder of the data that table.py
# wrote, and `to`, where they go.
set terminal svg size 720,360 font "sans-serif,13" background "white"
set datafile missing "-"
set style data histograms
set style histogram clustered gap 1.2
set style fill solid 0.9 noborder
set boxwidth 0.9
set grid ytics linecolor "#dddddd"
set border 3 linecolor "#666666"
set tics nomirror out scale 0.5
set key top left horizontal
set format y "%g"
blue = "#2a6fbb"
amber = "#e0a030"
teal = "#2a9d8f"
red = "#c1440e"
# What was not measured has no chart.
has(name) = int(system("test -s '" . from . "/" . name . ".dat' && echo 1 || echo 0"))

if (has("cpu")) {
    set output to . "/performance-cpu.svg"
    set title "CPU for each message delivered (µs, logarithmic)"
    set logscale y
    set yrange [0.1:2000]
    plot from . "/cpu.dat" using 2:xtic(1) title "window 1" linecolor rgb blue, \
         "" using 3 title "window 16" linecolor rgb amber
}
if (has("latency")) {
    set output to . "/performance-latency.svg"
    set title "Latency at 5 000 messages a second, one core (ms, logarithmic)"
    set logscale y
    set yrange [0.01:10000]
    plot from . "/latency.dat" using 2:xtic(1) title "p50" linecolor rgb blue, \
         "" using 3 title "p90" linecolor rgb teal, \
         "" using 4 title "p99" linecolor rgb amber, \
         "" using 5 title "p99.9" linecolor rgb red
}
if (has("memory")) {
    set output to . "/performance-memory.svg"
    set title "Memory for each idle session (KiB of PSS)"
    unset logscale y
    set yrange [0:*]
    set offsets 0, 0, graph 0.15, 0
    plot from . "/memory.dat" using 2:xtic(1) title "plain TCP" linecolor rgb blue, \
         "" using 3 title "TLS" linecolor rgb amber
    unset offsets
}
if (has("login")) {
    set output to . "/performance-login.svg"
    set title "CPU for each login (ms, logarithmic)"
    set logscale y
    set yrange [0.01:1000]
    plot from . "/login.dat" using 2:xtic(1) title "SCRAM-SHA-1" linecolor rgb blue, \
         "" using 3 title "SCRAM-SHA-1, TLS" linecolor rgb teal, \
         "" using 4 title "PLAIN, TLS" linecolor rgb amber, \
         "" using 5 title "SCRAM-SHA-1, TLS resumed" linecolor rgb red
}
