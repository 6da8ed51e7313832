# Made by `millrace report`: accuracy by batch.
$rows << EOD
128 32 84.68 78.07 85.09
128 32 84.82 81.94 86.77
512 128 79.25 76.54 80.76
512 128 83.14 81.98 84.26
1024 256 71.68 70.57 81.39
1024 256 72.73 49.87 79.4
1024 256 76.93 10 77.07
1024 256 55.73 50.24 74.56


EOD
set multiplot layout 1,2
set logscale x 2; set grid ytics lc rgb "#DDDDDD"; set border 3; set tics nomirror; set offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05
set ylabel "% after epoch 6"
set title "wide_resnet: at equal G, the global batch" noenhanced
set xlabel "G = W b"
unset key
plot $rows index 0 using 1:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" notitle
set title "wide_resnet: at equal b, images a rank" noenhanced
set xlabel "b"
set key outside right top
plot $rows index 0 using 2:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" title "W 4, ours"
unset multiplot
