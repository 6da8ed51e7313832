# Made by `millrace report`: accuracy by batch.
$rows << EOD
64 64 92.38 92.375 92.385
128 128 92.97 92.965 92.975
256 256 88.2 88.195 88.205


128 64 94.09 94.09 94.09
256 128 90.09 90.09 90.09
512 256 87.58 87.58 87.58


128 64 93.73 93.725 93.735
256 128 91.89 91.885 91.895
512 256 87.65 87.645 87.655


256 64 90.91 90.91 90.91
512 128 88.61 88.61 88.61
1024 256 83.52 83.52 83.52


256 64 92.26 92.255 92.265
512 128 88.94 88.935 88.945
1024 256 83.43 83.425 83.435


64 64 91.73 91.725 91.735
128 128 90.95 90.945 90.955
256 256 90.86 90.855 90.865


128 64 91.35 91.345 91.355
256 128 90.07 90.065 90.075
512 256 88.09 88.085 88.095


256 64 90.07 90.065 90.075
512 128 88.09 88.085 88.095
1024 256 85.96 85.955 85.965


EOD
set multiplot layout 2,2
set logscale x 2; set grid ytics lc rgb "#DDDDDD"; set border 3; set tics nomirror; set offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05
set ylabel "% after epoch 5"
set title "mobilenetv3_small: at equal G, the global batch" noenhanced
set xlabel "G = W b"
unset key
plot $rows index 0 using 1:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#0072B2" notitle, $rows index 1 using 1:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" notitle, $rows index 2 using 1:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#D55E00" notitle, $rows index 3 using 1:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" notitle, $rows index 4 using 1:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#009E73" notitle
set title "mobilenetv3_small: at equal b, images a rank" noenhanced
set xlabel "b"
set key outside right top
plot $rows index 0 using 2:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#0072B2" title "W 1, published", $rows index 1 using 2:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" title "W 2, ours, published", $rows index 2 using 2:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#D55E00" title "W 2, published", $rows index 3 using 2:3:4:5 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" title "W 4, ours, published", $rows index 4 using 2:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#009E73" title "W 4, published"
set title "toy: at equal G, the global batch" noenhanced
set xlabel "G = W b"
unset key
plot $rows index 5 using 1:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#0072B2" notitle, $rows index 6 using 1:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#D55E00" notitle, $rows index 7 using 1:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#009E73" notitle
set title "toy: at equal b, images a rank" noenhanced
set xlabel "b"
set key outside right top
plot $rows index 5 using 2:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#0072B2" title "W 1, published", $rows index 6 using 2:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#D55E00" title "W 2, published", $rows index 7 using 2:3:4:5 with yerrorlines lw 1.2 dt 2 pt 6 ps 0.9 lc rgb "#009E73" title "W 4, published"
unset multiplot
