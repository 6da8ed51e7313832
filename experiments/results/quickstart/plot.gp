# Made by `millrace report` from results.jsonl. gnuplot -e "set terminal pngcairo size 1000,760; set output 'plot.png'" plot.gp
$cells << EOD
0 15307.4 15307.4 15307.4 2.14002 0.124143 24.7134 41.5383 0.617334 "15,307"
1 15453.8 15453.8 15453.8 0.0367496 0.115969 23.791 40.1388 0.61594 "15,454"
2 16321.7 16321.7 16321.7 0.0314203 0.105648 22.6345 37.9585 0.532259 "16,322"


4 15788.2 15788.2 15788.2 0.853754 0.113456 23.4256 39.1417 0.567812 "15,788"
5 15083.8 15083.8 15083.8 0.0330034 0.116179 23.7852 40.5731 0.610363 "15,084"
6 17029.3 17029.3 17029.3 0.0253771 0.0968907 21.8299 37.0104 0.504074 "17,029"


EOD
set multiplot layout 2,1 title "quickstart" font ",14"
set lmargin 11; set rmargin 16; set tmargin 2.5; set bmargin 2
set xrange [-0.6:6.6]
set xtics ("0" 0, "1" 1, "2" 2, "" 3, "0" 4, "1" 5, "2" 6) nomirror scale 0
set grid ytics lc rgb "#DDDDDD"; set border 3; set ytics nomirror; set format y "%.0f"
set ylabel "images/s"; set yrange [0:20435.1]
set label 1 "affine on" at first 1, graph 1.0 offset 0,0.9 center font ",10"
set label 2 "affine off" at first 5, graph 1.0 offset 0,0.9 center font ",10"
plot $cells index 0 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 0 using 1:2:10 with labels offset 0,1 font ",9" notitle, $cells index 1 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" notitle, $cells index 1 using 1:2:10 with labels offset 0,1 font ",9" notitle
unset label; set tmargin 1.5
set ylabel "µs an image"; set yrange [0:*]; set format y "%g"; set bmargin 3.5
set xlabel "workers"
set boxwidth 0.7; set style fill solid 1.0 noborder
set key at screen 0.99, screen 0.44 right top vertical invert samplen 1 width -2
plot $cells using 1:($5+$6+$7+$8+$9) with boxes lc rgb "#009E73" title "optimizer", $cells using 1:($5+$6+$7+$8) with boxes lc rgb "#0072B2" title "backward", $cells using 1:($5+$6+$7) with boxes lc rgb "#56B4E9" title "forward", $cells using 1:($5+$6) with boxes lc rgb "#CC79A7" title "upload", $cells using 1:($5) with boxes lc rgb "#D55E00" title "wait"
unset multiplot
