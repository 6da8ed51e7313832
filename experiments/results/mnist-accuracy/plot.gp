# Made by `millrace report` from results.jsonl. gnuplot -e "set terminal pngcairo size 1000,760; set output 'plot.png'" plot.gp
$cells << EOD
0 1627.99 440.401 1800.49 0.548336 136.271 490.074 5.88295 "1,628"
1 1744.87 1649.22 2800.49 0.614928 121.899 441.737 5.70737 "1,745"


EOD
set multiplot layout 2,1 title "mnist-accuracy" font ",14"
set lmargin 11; set rmargin 16; set tmargin 2.5; set bmargin 2
set xrange [-0.6:1.6]
set xtics ("on" 0, "off" 1) nomirror scale 0
set grid ytics lc rgb "#DDDDDD"; set border 3; set ytics nomirror; set format y "%.0f"
set ylabel "images/s"; set yrange [0:3360.59]
set label 1 "" at first 0.5, graph 1.0 offset 0,0.9 center font ",10"
plot $cells index 0 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 0 using 1:2:9 with labels offset 0,1 font ",9" notitle
unset label; set tmargin 1.5
set ylabel "µs an image"; set yrange [0:*]; set format y "%g"; set bmargin 3.5
set xlabel "affine"
set boxwidth 0.7; set style fill solid 1.0 noborder
set key at screen 0.99, screen 0.44 right top vertical invert samplen 1 width -2
plot $cells using 1:($5+$6+$7+$8) with boxes lc rgb "#009E73" title "optimizer", $cells using 1:($5+$6+$7) with boxes lc rgb "#0072B2" title "backward", $cells using 1:($5+$6) with boxes lc rgb "#56B4E9" title "forward", $cells using 1:($5) with boxes lc rgb "#CC79A7" title "upload"
unset multiplot
