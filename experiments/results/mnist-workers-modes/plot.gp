# Made by `millrace report` from results.jsonl. gnuplot -e "set terminal pngcairo size 1000,760; set output 'plot.png'" plot.gp
$cells << EOD
0 16009.2 16009.2 16009.2 1.82013 0.0799276 22.5762 37.4076 0 0.550293 "16,009"
1 16335.5 16335.5 16335.5 0.0339801 0.0733555 22.5721 37.9455 0 0.556542 "16,335"
2 16268.3 16268.3 16268.3 0.0282689 0.0758042 22.6554 38.11 0 0.566434 "16,268"


4 15791.7 15791.7 15791.7 1.51131 0.0787343 22.9063 38.2269 0 0.571122 "15,792"
5 16516.4 16516.4 16516.4 0.0291982 0.0713051 22.4245 37.4552 0 0.531932 "16,516"
6 16203.5 16203.5 16203.5 0.0327296 0.0765405 22.7604 38.221 0 0.58567 "16,204"


8 9045.46 9045.46 9045.46 0.503423 0.0779568 8.35592 15.4303 85.3088 0.810771 "9,045"
9 8333.64 8333.64 8333.64 0.0393668 0.0834107 8.88089 36.0192 73.9726 0.946452 "8,334"
10 8090.93 8090.93 8090.93 0.0381448 0.0834805 8.84218 36.0227 77.572 0.985268 "8,091"


12 8083.65 8083.65 8083.65 2.08949 0.650862 39.9406 75.9759 4.1109 0.888157 "8,084"
13 7823.86 7823.86 7823.86 0.0419303 0.713883 41.0326 79.9701 4.93899 1.05143 "7,824"
14 7966.48 7966.48 7966.48 0.0500064 0.736343 40.7788 78.1016 4.7417 1.05515 "7,966"


EOD
set multiplot layout 2,1 title "mnist-workers" font ",14"
set lmargin 11; set rmargin 16; set tmargin 5.5; set bmargin 2
set xrange [-0.6:14.6]
set xtics ("0" 0, "2" 1, "4" 2, "" 3, "0" 4, "2" 5, "4" 6, "" 7, "0" 8, "2" 9, "4" 10, "" 11, "0" 12, "2" 13, "4" 14) nomirror scale 0
set grid ytics lc rgb "#DDDDDD"; set border 3; set ytics nomirror; set format y "%.0f"
set ylabel "images/s"; set yrange [0:19819.7]
set label 1 "mode single\nranks 1\nbatch 32\naffine on" at first 1, graph 1.0 offset 0,3.6 center font ",10"
set label 2 "mode ddp\nranks 1\nbatch 32\naffine on" at first 5, graph 1.0 offset 0,3.6 center font ",10"
set label 3 "mode ddp\nranks 8\nbatch 32\naffine on" at first 9, graph 1.0 offset 0,3.6 center font ",10"
set label 4 "mode dp\nranks 8\nbatch 32\naffine on" at first 13, graph 1.0 offset 0,3.6 center font ",10"
plot $cells index 0 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 0 using 1:2:11 with labels offset 0,1 font ",9" notitle, $cells index 1 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" notitle, $cells index 1 using 1:2:11 with labels offset 0,1 font ",9" notitle, $cells index 2 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" notitle, $cells index 2 using 1:2:11 with labels offset 0,1 font ",9" notitle, $cells index 3 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#CC79A7" notitle, $cells index 3 using 1:2:11 with labels offset 0,1 font ",9" notitle
unset label; set tmargin 1.5
set ylabel "µs an image"; set yrange [0:*]; set format y "%g"; set bmargin 3.5
set xlabel "workers"
set boxwidth 0.7; set style fill solid 1.0 noborder
set key at screen 0.99, screen 0.44 right top vertical invert samplen 1 width -2
plot $cells using 1:($5+$6+$7+$8+$9+$10) with boxes lc rgb "#009E73" title "optimizer", $cells using 1:($5+$6+$7+$8+$9) with boxes lc rgb "#999999" title "reduce", $cells using 1:($5+$6+$7+$8) with boxes lc rgb "#0072B2" title "backward", $cells using 1:($5+$6+$7) with boxes lc rgb "#56B4E9" title "forward", $cells using 1:($5+$6) with boxes lc rgb "#CC79A7" title "upload", $cells using 1:($5) with boxes lc rgb "#D55E00" title "wait"
unset multiplot
