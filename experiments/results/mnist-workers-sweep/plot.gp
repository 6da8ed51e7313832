# Made by `millrace report` from results.jsonl. gnuplot -e "set terminal pngcairo size 1000,760; set output 'plot.png'" plot.gp
$cells << EOD
0 6728.85 6728.85 6728.85 3.11232 0.289239 44.5029 98.5532 2.04021 "6,729"
1 7589.77 7589.77 7589.77 0.109244 0.278287 40.2292 88.9862 2.03131 "7,590"
2 6802.91 6802.91 6802.91 0.0861876 0.301259 44.6011 99.6195 2.25375 "6,803"


4 6434.53 6434.53 6434.53 1.57191 0.29414 46.8678 104.385 2.16536 "6,435"
5 6418.1 6418.1 6418.1 0.100302 0.319786 47.2127 105.515 2.51721 "6,418"
6 7367.92 7367.92 7367.92 0.0542421 0.23577 40.1773 93.3257 1.82427 "7,368"


8 8033.44 8033.44 8033.44 2.63421 0.152946 36.3752 84.1216 1.11351 "8,033"
9 9013.44 9013.44 9013.44 0.0608876 0.122277 33.1603 76.5497 0.976792 "9,013"
10 8083.36 8083.36 8083.36 0.0545139 0.141409 36.4662 85.8418 1.12666 "8,083"


12 9154.41 9154.41 9154.41 1.09185 0.124536 32.3923 74.6066 0.957636 "9,154"
13 8607.58 8607.58 8607.58 0.0610641 0.153651 34.95 79.6512 1.2741 "8,608"
14 7843.81 7843.81 7843.81 0.0580416 0.168754 38.1394 87.6181 1.40668 "7,844"


16 6321.43 6321.43 6321.43 3.17224 0.282407 46.4333 106.052 2.13085 "6,321"
17 7010.77 7010.77 7010.77 0.0664402 0.218672 42.1407 98.2624 1.83195 "7,011"


EOD
set multiplot layout 2,1 title "mnist-workers" font ",14"
set lmargin 11; set rmargin 16; set tmargin 5.5; set bmargin 2
set xrange [-0.6:17.6]
set xtics ("0" 0, "2" 1, "4" 2, "" 3, "0" 4, "2" 5, "4" 6, "" 7, "0" 8, "2" 9, "4" 10, "" 11, "0" 12, "2" 13, "4" 14, "" 15, "0" 16, "2" 17) nomirror scale 0
set grid ytics lc rgb "#DDDDDD"; set border 3; set ytics nomirror; set format y "%.0f"
set ylabel "images/s"; set yrange [0:10985.3]
set label 1 "mode single\nranks 1\nbatch 32\naffine on" at first 1, graph 1.0 offset 0,3.6 center font ",10"
set label 2 "mode single\nranks 1\nbatch 32\naffine off" at first 5, graph 1.0 offset 0,3.6 center font ",10"
set label 3 "mode single\nranks 1\nbatch 64\naffine on" at first 9, graph 1.0 offset 0,3.6 center font ",10"
set label 4 "mode single\nranks 1\nbatch 64\naffine off" at first 13, graph 1.0 offset 0,3.6 center font ",10"
set label 5 "mode ddp\nranks 1\nbatch 32\naffine on" at first 16.5, graph 1.0 offset 0,3.6 center font ",10"
plot $cells index 0 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 0 using 1:2:10 with labels offset 0,1 font ",9" notitle, $cells index 1 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" notitle, $cells index 1 using 1:2:10 with labels offset 0,1 font ",9" notitle, $cells index 2 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" notitle, $cells index 2 using 1:2:10 with labels offset 0,1 font ",9" notitle, $cells index 3 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#CC79A7" notitle, $cells index 3 using 1:2:10 with labels offset 0,1 font ",9" notitle, $cells index 4 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#56B4E9" notitle, $cells index 4 using 1:2:10 with labels offset 0,1 font ",9" notitle
unset label; set tmargin 1.5
set ylabel "µs an image"; set yrange [0:*]; set format y "%g"; set bmargin 3.5
set xlabel "workers"
set boxwidth 0.7; set style fill solid 1.0 noborder
set key at screen 0.99, screen 0.44 right top vertical invert samplen 1 width -2
plot $cells using 1:($5+$6+$7+$8+$9) with boxes lc rgb "#009E73" title "optimizer", $cells using 1:($5+$6+$7+$8) with boxes lc rgb "#0072B2" title "backward", $cells using 1:($5+$6+$7) with boxes lc rgb "#56B4E9" title "forward", $cells using 1:($5+$6) with boxes lc rgb "#CC79A7" title "upload", $cells using 1:($5) with boxes lc rgb "#D55E00" title "wait"
unset multiplot
