# Made by `millrace report` from results.jsonl. gnuplot -e "set terminal pngcairo size 1000,760; set output 'plot.png'" plot.gp
$cells << EOD
0 3860.95 3860.95 3860.95 4.92289 0.473904 76.0209 174.906 3.47157 0.243484 "3,861"
1 3658.42 3658.42 3658.42 0.0827172 0.391313 65.802 202.312 3.35551 0.236616 "3,658"
2 3770.53 3770.53 3770.53 0.0592155 0.401488 61.6678 197.025 3.07186 0.210143 "3,771"


4 3333.74 3333.74 3333.74 2.83659 0.632181 89.0424 205.255 4.33033 0.351644 "3,334"
5 2516.84 2516.84 2516.84 0.0777044 0.448473 75.0806 301.533 3.90942 0.313124 "2,517"
6 4086.74 4086.74 4086.74 0.0719672 0.308097 56.0525 179.864 2.61576 0.230911 "4,087"


8 4176.53 4176.53 4176.53 4.43917 0.24788 68.8412 162.678 2.29061 0.163139 "4,177"
9 3785.49 3785.49 3785.49 0.0600954 0.209527 60.0052 197.497 1.98941 0.23936 "3,785"
10 3360.6 3360.6 3360.6 0.0450295 0.225455 61.7747 228.755 2.02544 0.246219 "3,361"


12 3738.54 3738.54 3738.54 2.51862 0.298727 77.9276 186.022 2.82362 0.200498 "3,739"
13 4022.14 4022.14 4022.14 0.046705 0.219068 58.0466 191.25 1.84318 0.176398 "4,022"
14 4617.69 4617.69 4617.69 0.0314142 0.220512 54.4641 164.012 1.85588 0.149681 "4,618"


EOD
set multiplot layout 2,1 title "mnist-workers" font ",14"
set lmargin 11; set rmargin 16; set tmargin 3.5; set bmargin 2
set xrange [-0.6:14.6]
set xtics ("0" 0, "2" 1, "4" 2, "" 3, "0" 4, "2" 5, "4" 6, "" 7, "0" 8, "2" 9, "4" 10, "" 11, "0" 12, "2" 13, "4" 14) nomirror scale 0
set grid ytics lc rgb "#DDDDDD"; set border 3; set ytics nomirror; set format y "%.0f"
set ylabel "images/s"; set yrange [0:5541.23]
set label 1 "batch 32\naffine on" at first 1, graph 1.0 offset 0,1.8 center font ",10"
set label 2 "batch 32\naffine off" at first 5, graph 1.0 offset 0,1.8 center font ",10"
set label 3 "batch 64\naffine on" at first 9, graph 1.0 offset 0,1.8 center font ",10"
set label 4 "batch 64\naffine off" at first 13, graph 1.0 offset 0,1.8 center font ",10"
plot $cells index 0 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 0 using 1:2:11 with labels offset 0,1 font ",9" notitle, $cells index 1 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" notitle, $cells index 1 using 1:2:11 with labels offset 0,1 font ",9" notitle, $cells index 2 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" notitle, $cells index 2 using 1:2:11 with labels offset 0,1 font ",9" notitle, $cells index 3 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#CC79A7" notitle, $cells index 3 using 1:2:11 with labels offset 0,1 font ",9" notitle
unset label; set tmargin 1.5
set ylabel "µs an image"; set yrange [0:*]; set format y "%g"; set bmargin 3.5
set xlabel "workers"
set boxwidth 0.7; set style fill solid 1.0 noborder
set key at screen 0.99, screen 0.44 right top vertical invert samplen 1 width -2
plot $cells using 1:($5+$6+$7+$8+$9+$10) with boxes lc rgb "#F0E442" title "other", $cells using 1:($5+$6+$7+$8+$9) with boxes lc rgb "#009E73" title "optimizer", $cells using 1:($5+$6+$7+$8) with boxes lc rgb "#0072B2" title "backward", $cells using 1:($5+$6+$7) with boxes lc rgb "#56B4E9" title "forward", $cells using 1:($5+$6) with boxes lc rgb "#CC79A7" title "upload", $cells using 1:($5) with boxes lc rgb "#D55E00" title "wait"
unset multiplot
