# Made by `millrace report` from results.jsonl. gnuplot -e "set terminal pngcairo size 1000,760; set output 'plot.png'" plot.gp
$cells << EOD
0 100.476 100.292 101.907 3376.3 6592.39 0 75.4049 "100"
1 185.099 183.956 186.386 1753.29 3456.2 53.5307 118.983 "185"
2 61.4842 61.3948 61.9398 1821.39 3597.11 10876.3 49.2564 "61"
3 60.9698 60.9251 61.0586 1783.28 3364.69 11276.3 48.4704 "61"


EOD
set multiplot layout 2,1 title "cifar-ddp-cpu" font ",14"
set lmargin 11; set rmargin 16; set tmargin 2.5; set bmargin 2
set xrange [-0.6:3.6]
set xtics ("1 rank" 0, "2 ranks" 1, "2 nodes of 1" 2, "2 nodes of 2" 3) nomirror scale 0
set grid ytics lc rgb "#DDDDDD"; set border 3; set ytics nomirror; set format y "%.0f"
set ylabel "images/s"; set yrange [0:223.663]
set label 1 "" at first 1.5, graph 1.0 offset 0,0.9 center font ",10"
plot $cells index 0 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 0 using 1:2:9 with labels offset 0,1 font ",9" notitle
unset label; set tmargin 1.5
set ylabel "µs an image"; set yrange [0:*]; set format y "%g"; set bmargin 3.5
set xlabel "row"
set boxwidth 0.7; set style fill solid 1.0 noborder
set key at screen 0.99, screen 0.44 right top vertical invert samplen 1 width -2
plot $cells using 1:($5+$6+$7+$8) with boxes lc rgb "#009E73" title "optimizer", $cells using 1:($5+$6+$7) with boxes lc rgb "#999999" title "reduce", $cells using 1:($5+$6) with boxes lc rgb "#0072B2" title "backward", $cells using 1:($5) with boxes lc rgb "#56B4E9" title "forward"
unset multiplot
