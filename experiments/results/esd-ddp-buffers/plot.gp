# Made by `millrace report` from results.jsonl. gnuplot -e "set terminal pngcairo size 1000,760; set output 'plot.png'" plot.gp
$cells << EOD
0 2369.75 2369.75 2369.75 102.849 270.027 36.098 6.61142 "2,370"
1 2495.3 2495.3 2495.3 95.1197 265.953 32.7284 8.16888 "2,495"
2 2391 2391 2391 104.929 271.169 29.0011 8.95235 "2,391"


EOD
set multiplot layout 2,1 title "esd-ddp-buffers" font ",14"
set lmargin 11; set rmargin 16; set tmargin 2.5; set bmargin 2
set xrange [-0.6:2.6]
set xtics ("per-rank" 0, "broadcast" 1, "average" 2) nomirror scale 0
set grid ytics lc rgb "#DDDDDD"; set border 3; set ytics nomirror; set format y "%.0f"
set ylabel "images/s"; set yrange [0:2994.36]
set label 1 "" at first 1, graph 1.0 offset 0,0.9 center font ",10"
plot $cells index 0 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 0 using 1:2:9 with labels offset 0,1 font ",9" notitle
unset label; set tmargin 1.5
set ylabel "µs an image"; set yrange [0:*]; set format y "%g"; set bmargin 3.5
set xlabel "buffers"
set boxwidth 0.7; set style fill solid 1.0 noborder
set key at screen 0.99, screen 0.44 right top vertical invert samplen 1 width -2
plot $cells using 1:($5+$6+$7+$8) with boxes lc rgb "#009E73" title "optimizer", $cells using 1:($5+$6+$7) with boxes lc rgb "#999999" title "reduce", $cells using 1:($5+$6) with boxes lc rgb "#0072B2" title "backward", $cells using 1:($5) with boxes lc rgb "#56B4E9" title "forward"
unset multiplot
