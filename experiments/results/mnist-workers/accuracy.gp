# Made by `millrace report`: accuracy by batch.
$rows << EOD
32 32 98.93 98.93 98.93
32 32 98.93 98.93 98.93
32 32 98.93 98.93 98.93
32 32 98.82 98.82 98.82
32 32 98.82 98.82 98.82
32 32 98.82 98.82 98.82
64 64 99.13 99.13 99.13
64 64 99.13 99.13 99.13
64 64 99.13 99.13 99.13
64 64 98.94 98.94 98.94
64 64 98.94 98.94 98.94
64 64 98.94 98.94 98.94


EOD
set multiplot layout 1,2
set logscale x 2; set grid ytics lc rgb "#DDDDDD"; set border 3; set tics nomirror; set offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05
set ylabel "% after epoch 10"
set title "lenet: at equal G, the global batch" noenhanced
set xlabel "G = W b"
unset key
plot $rows index 0 using 1:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle
set title "lenet: at equal b, images a rank" noenhanced
set xlabel "b"
set key outside right top
plot $rows index 0 using 2:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" title "W 1, ours"
unset multiplot
