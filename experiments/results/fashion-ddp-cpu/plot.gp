# Made by `millrace report` from results.jsonl. gnuplot -e "set terminal pngcairo size 1000,760; set output 'plot.png'" plot.gp
$cells << EOD
0 745.907 722.441 923.065 594.201 638.443 62.232 1.03457 "746"
1 805.471 760.135 828.03 614.284 669.754 60.3665 0.291235 "805"
2 839.31 828.682 868.624 550.384 607.752 51.6158 0.391441 "839"
3 799.724 374.847 842.701 582.003 651.91 51.9132 0.136244 "800"
4 912.464 322.959 920.785 506.485 515.21 82.3485 1.22464 "912"
5 845.337 294.507 850.775 535.495 613.714 45.363 0.132856 "845"
6 843.07 20.1693 845.688 542.422 623.207 36.2224 0.161406 "843"
7 822.804 491.383 828.873 570.611 616 45.5105 0.516941 "823"


EOD
set multiplot layout 2,1 title "fashion-ddp-cpu" font ",14"
set lmargin 11; set rmargin 16; set tmargin 2.5; set bmargin 2
set xrange [-0.6:7.6]
set xtics ("F3, 32" 0, "F3, 128" 1, "F4" 2, "F5" 3, "F7" 4, "F8" 5, "F9" 6, "F10" 7) nomirror scale 0
set grid ytics lc rgb "#DDDDDD"; set border 3; set ytics nomirror; set format y "%.0f"
set ylabel "images/s"; set yrange [0:1107.68]
set label 1 "" at first 3.5, graph 1.0 offset 0,0.9 center font ",10"
plot $cells index 0 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 0 using 1:2:9 with labels offset 0,1 font ",9" notitle
unset label; set tmargin 1.5
set ylabel "µs an image"; set yrange [0:*]; set format y "%g"; set bmargin 3.5
set xlabel "row"
set boxwidth 0.7; set style fill solid 1.0 noborder
set key at screen 0.99, screen 0.44 right top vertical invert samplen 1 width -2
plot $cells using 1:($5+$6+$7+$8) with boxes lc rgb "#009E73" title "optimizer", $cells using 1:($5+$6+$7) with boxes lc rgb "#999999" title "reduce", $cells using 1:($5+$6) with boxes lc rgb "#0072B2" title "backward", $cells using 1:($5) with boxes lc rgb "#56B4E9" title "forward"
unset multiplot
