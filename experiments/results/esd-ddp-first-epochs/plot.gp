# Made by `millrace report` from results.jsonl. gnuplot -e "set terminal pngcairo size 1000,760; set output 'plot.png'" plot.gp
$cells << EOD
0 1035.33 1035.33 1035.33 89.4859 838.976 22.1396 13.7845 "1,035"
1 639.446 639.446 639.446 131.596 1844.21 143.592 7.4782 "639"


3 1221.29 1221.29 1221.29 63.1574 738.161 7.51105 7.00363 "1,221"
4 583.139 583.139 583.139 124.126 1434.88 148.986 3.38846 "583"


6 1327.89 1327.89 1327.89 51.4591 678.317 18.0368 3.32366 "1,328"
7 507.987 507.987 507.987 96.0865 1735.85 54.4822 1.62072 "508"


EOD
set multiplot layout 2,1 title "esd-ddp-first-epochs" font ",14"
set lmargin 11; set rmargin 16; set tmargin 3.5; set bmargin 2
set xrange [-0.6:7.6]
set xtics ("2" 0, "4" 1, "" 2, "2" 3, "4" 4, "" 5, "2" 6, "4" 7) nomirror scale 0
set grid ytics lc rgb "#DDDDDD"; set border 3; set ytics nomirror; set format y "%.0f"
set ylabel "images/s"; set yrange [0:1593.47]
set label 1 "run published\nbatch per rank 64" at first 0.5, graph 1.0 offset 0,1.8 center font ",10"
set label 2 "run published\nbatch per rank 128" at first 3.5, graph 1.0 offset 0,1.8 center font ",10"
set label 3 "run published\nbatch per rank 256" at first 6.5, graph 1.0 offset 0,1.8 center font ",10"
plot $cells index 0 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 0 using 1:2:9 with labels offset 0,1 font ",9" notitle, $cells index 1 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" notitle, $cells index 1 using 1:2:9 with labels offset 0,1 font ",9" notitle, $cells index 2 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" notitle, $cells index 2 using 1:2:9 with labels offset 0,1 font ",9" notitle
unset label; set tmargin 1.5
set ylabel "µs an image"; set yrange [0:*]; set format y "%g"; set bmargin 3.5
set xlabel "ranks"
set boxwidth 0.7; set style fill solid 1.0 noborder
set key at screen 0.99, screen 0.44 right top vertical invert samplen 1 width -2
plot $cells using 1:($5+$6+$7+$8) with boxes lc rgb "#009E73" title "optimizer", $cells using 1:($5+$6+$7) with boxes lc rgb "#999999" title "reduce", $cells using 1:($5+$6) with boxes lc rgb "#0072B2" title "backward", $cells using 1:($5) with boxes lc rgb "#56B4E9" title "forward"
unset multiplot
