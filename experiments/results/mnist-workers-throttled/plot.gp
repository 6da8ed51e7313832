# Made by `millrace report` from results.jsonl. gnuplot -e "set terminal pngcairo size 1000,760; set output 'plot.png'" plot.gp
$cells << EOD
0 8370.16 8370.16 8370.16 101.985 17.3071 0.137324 "8,370"
1 9783.05 9783.05 9783.05 84.7076 17.3426 0.127111 "9,783"
2 19490.9 19490.9 19490.9 33.9753 17.2881 0.0370979 "19,491"
3 20536.6 20536.6 20536.6 30.9332 17.7056 0.0458402 "20,537"


5 14162.5 14162.5 14162.5 53.0962 17.3692 0.108978 "14,163"
6 18752.5 18752.5 18752.5 35.7097 17.5007 0.0943424 "18,753"
7 36378.5 36378.5 36378.5 10.0709 17.3686 0.0415388 "36,379"
8 34880.2 34880.2 34880.2 9.47419 19.1365 0.0487496 "34,880"


EOD
set multiplot layout 2,1 title "mnist-workers-throttled" font ",14"
set lmargin 11; set rmargin 16; set tmargin 2.5; set bmargin 2
set xrange [-0.6:8.6]
set xtics ("0" 0, "1" 1, "2" 2, "4" 3, "" 4, "0" 5, "1" 6, "2" 7, "4" 8) nomirror scale 0
set grid ytics lc rgb "#DDDDDD"; set border 3; set ytics nomirror; set format y "%.0f"
set ylabel "images/s"; set yrange [0:43654.3]
set label 1 "affine on" at first 1.5, graph 1.0 offset 0,0.9 center font ",10"
set label 2 "affine off" at first 6.5, graph 1.0 offset 0,0.9 center font ",10"
plot $cells index 0 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 0 using 1:2:8 with labels offset 0,1 font ",9" notitle, $cells index 1 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" notitle, $cells index 1 using 1:2:8 with labels offset 0,1 font ",9" notitle
unset label; set tmargin 1.5
set ylabel "µs an image"; set yrange [0:*]; set format y "%g"; set bmargin 3.5
set xlabel "workers"
set boxwidth 0.7; set style fill solid 1.0 noborder
set key at screen 0.99, screen 0.44 right top vertical invert samplen 1 width -2
plot $cells using 1:($5+$6+$7) with boxes lc rgb "#F0E442" title "other", $cells using 1:($5+$6) with boxes lc rgb "#56B4E9" title "forward", $cells using 1:($5) with boxes lc rgb "#D55E00" title "wait"
unset multiplot
