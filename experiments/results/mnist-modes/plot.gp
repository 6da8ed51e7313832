# Made by `millrace report` from results.jsonl. gnuplot -e "set terminal pngcairo size 1000,760; set output 'plot.png'" plot.gp
$cells << EOD
0 11189.5 11175.8 12080.8 0.0992023 33.6681 54.2587 0 0.809274 "11,189"
1 8280.28 8131.68 9966.69 0.0448501 7.17138 42.0314 70.5335 0.673944 "8,280"
2 9496.33 7810.17 10991.4 0.433401 35.9424 63.9874 3.46727 0.590716 "9,496"


EOD
set multiplot layout 2,1 title "mnist-modes" font ",14"
set lmargin 11; set rmargin 16; set tmargin 2.5; set bmargin 2
set xrange [-0.6:2.6]
set xtics ("single" 0, "ddp, 8 ranks" 1, "dp, 8 replicas" 2) nomirror scale 0
set grid ytics lc rgb "#DDDDDD"; set border 3; set ytics nomirror; set format y "%.0f"
set ylabel "images/s"; set yrange [0:14497]
set label 1 "" at first 1, graph 1.0 offset 0,0.9 center font ",10"
plot $cells index 0 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 0 using 1:2:10 with labels offset 0,1 font ",9" notitle
unset label; set tmargin 1.5
set ylabel "µs an image"; set yrange [0:*]; set format y "%g"; set bmargin 3.5
set xlabel "mode"
set boxwidth 0.7; set style fill solid 1.0 noborder
set key at screen 0.99, screen 0.44 right top vertical invert samplen 1 width -2
plot $cells using 1:($5+$6+$7+$8+$9) with boxes lc rgb "#009E73" title "optimizer", $cells using 1:($5+$6+$7+$8) with boxes lc rgb "#999999" title "reduce", $cells using 1:($5+$6+$7) with boxes lc rgb "#0072B2" title "backward", $cells using 1:($5+$6) with boxes lc rgb "#56B4E9" title "forward", $cells using 1:($5) with boxes lc rgb "#CC79A7" title "upload"
unset multiplot
