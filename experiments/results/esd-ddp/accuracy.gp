# Made by `millrace report`: accuracy by batch.
$rows << EOD
64 64 96.58 96.575 96.585
128 128 95.21 95.205 95.215
256 256 92.88 92.875 92.885


128 64 96.3 96.295 96.305
256 128 95.39 95.385 95.395
512 256 92.91 92.905 92.915


256 64 95.31 95.305 95.315
512 128 93.65 93.645 93.655
1024 256 91.58 91.575 91.585


64 64 92.79 92.79 92.79
128 128 92.37 92.37 92.37
256 256 92.24 92.24 92.24


64 64 92.96 92.96 92.96
128 128 92.51 92.51 92.51
256 256 92.23 92.23 92.23


64 64 92.58 92.575 92.585
128 128 92.22 92.215 92.225
256 256 92.42 92.415 92.425


128 64 92.51 92.51 92.51
256 128 92.23 92.23 92.23
512 256 91.8 91.8 91.8


128 64 92.51 92.51 92.51
256 128 92.23 92.23 92.23
512 256 91.8 91.8 91.8


128 64 92.53 92.525 92.535
256 128 92.18 92.175 92.185
512 256 91.65 91.645 91.655


256 64 92.23 92.23 92.23
512 128 91.8 91.8 91.8
1024 256 90.62 90.62 90.62


256 64 92.23 92.23 92.23
512 128 91.8 91.8 91.8
1024 256 90.62 90.62 90.62


256 64 92.18 92.175 92.185
512 128 91.65 91.645 91.655
1024 256 90.65 90.645 90.655


EOD
set multiplot layout 2,2
set logscale x 2; set grid ytics lc rgb "#DDDDDD"; set border 3; set tics nomirror; set offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05
set ylabel "% after epoch 15"
set title "mobilenetv3_small: at equal G, the global batch" noenhanced
set xlabel "G = W b"
unset key
plot $rows index 0 using 1:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#0072B2" notitle, $rows index 1 using 1:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#D55E00" notitle, $rows index 2 using 1:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#009E73" notitle
set title "mobilenetv3_small: at equal b, images a rank" noenhanced
set xlabel "b"
set key outside right top
plot $rows index 0 using 2:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#0072B2" title "W 1, published", $rows index 1 using 2:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#D55E00" title "W 2, published", $rows index 2 using 2:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#009E73" title "W 4, published"
set title "toy: at equal G, the global batch" noenhanced
set xlabel "G = W b"
unset key
plot $rows index 3 using 1:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $rows index 4 using 1:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $rows index 5 using 1:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#0072B2" notitle, $rows index 6 using 1:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" notitle, $rows index 7 using 1:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" notitle, $rows index 8 using 1:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#D55E00" notitle, $rows index 9 using 1:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" notitle, $rows index 10 using 1:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" notitle, $rows index 11 using 1:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#009E73" notitle
set title "toy: at equal b, images a rank" noenhanced
set xlabel "b"
set key outside right top
plot $rows index 3 using 2:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" title "W 1, ours, published", $rows index 4 using 2:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" title "W 1, ours, twin", $rows index 5 using 2:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#0072B2" title "W 1, published", $rows index 6 using 2:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" title "W 2, ours, published", $rows index 7 using 2:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" title "W 2, ours, twin", $rows index 8 using 2:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#D55E00" title "W 2, published", $rows index 9 using 2:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" title "W 4, ours, published", $rows index 10 using 2:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" title "W 4, ours, twin", $rows index 11 using 2:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#009E73" title "W 4, published"
unset multiplot
