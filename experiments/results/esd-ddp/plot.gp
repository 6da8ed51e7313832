# Made by `millrace report` from results.jsonl. gnuplot -e "set terminal pngcairo size 1000,760; set output 'plot.png'" plot.gp
$cells << EOD
0 147722 147722 147722 0.806882 0.0539426 2.20724 3.16154 0 0.426312 0.0173559 "147,722"
1 136843 136843 136843 0.0107905 0.052653 2.65514 3.99451 0 0.521238 0.0245684 "136,843"


3 235771 235771 235771 0.688273 0.0284914 1.5754 1.79924 0 0.209824 0.0110724 "235,771"
4 221036 221036 221036 0.0101983 0.0267426 1.92501 2.31459 0 0.260185 0.0173966 "221,036"


6 314375 314375 314375 0.670983 0.0153229 1.22512 1.12584 0 0.11018 0.00786907 "314,375"
7 271688 271688 271688 0.0144728 0.0146126 1.72105 1.70745 0 0.1455 0.0126287 "271,688"


9 163856 163856 163856 0.00522936 0.0283538 1.35488 2.70812 1.68541 0.291105 0.0136548 "163,856"
10 183277 183277 183277 0.00490959 0.0297713 1.32912 2.4884 1.29803 0.287854 0.0144793 "183,277"


12 227230 227230 227230 0.00933602 0.0153993 1.10892 1.77408 1.30445 0.166119 0.0119553 "227,230"
13 269000 269000 269000 0.00480661 0.0140541 1.032 1.53931 0.952091 0.155515 0.0108529 "269,000"


15 330216 330216 330216 0.00306548 0.00825512 0.912485 1.21141 0.812091 0.0985833 0.00787217 "330,216"
16 337262 337262 337262 0.00526602 0.00843893 0.93344 1.17368 0.764906 0.101747 0.00816552 "337,262"


18 139072 139072 139072 0.00923267 0.0153083 0.820802 1.96166 4.18921 0.18592 0.0129692 "139,072"
19 172029 172029 172029 0.00381791 0.0146046 0.732041 1.70999 3.15988 0.166225 0.0109129 "172,029"


21 230714 230714 230714 0.00253103 0.00702121 0.544646 0.950291 2.74052 0.0844244 0.00802845 "230,714"
22 230395 230395 230395 0.00306284 0.00984942 0.592289 1.19279 2.40811 0.0976897 0.00702048 "230,395"


24 316418 316418 316418 0.00577925 0.00420054 0.48509 0.781346 1.81108 0.0527982 0.0044418 "316,418"
25 293435 293435 293435 0.00260263 0.005052 0.509342 1.00122 1.79505 0.068859 0.00507023 "293,435"


EOD
set multiplot layout 2,1 title "esd-ddp" font ",14"
set lmargin 11; set rmargin 16; set tmargin 4.5; set bmargin 2
set xrange [-0.6:25.6]
set xtics ("published" 0, "twin" 1, "" 2, "published" 3, "twin" 4, "" 5, "published" 6, "twin" 7, "" 8, "published" 9, "twin" 10, "" 11, "published" 12, "twin" 13, "" 14, "published" 15, "twin" 16, "" 17, "published" 18, "twin" 19, "" 20, "published" 21, "twin" 22, "" 23, "published" 24, "twin" 25) nomirror scale 0
set grid ytics lc rgb "#DDDDDD"; set border 3; set ytics nomirror; set format y "%.0f"
set ylabel "images/s"; set yrange [0:404715]
set label 1 "model toy\nranks 1\nbatch per rank 64" at first 0.5, graph 1.0 offset 0,2.7 center font ",10"
set label 2 "model toy\nranks 1\nbatch per rank 128" at first 3.5, graph 1.0 offset 0,2.7 center font ",10"
set label 3 "model toy\nranks 1\nbatch per rank 256" at first 6.5, graph 1.0 offset 0,2.7 center font ",10"
set label 4 "model toy\nranks 2\nbatch per rank 64" at first 9.5, graph 1.0 offset 0,2.7 center font ",10"
set label 5 "model toy\nranks 2\nbatch per rank 128" at first 12.5, graph 1.0 offset 0,2.7 center font ",10"
set label 6 "model toy\nranks 2\nbatch per rank 256" at first 15.5, graph 1.0 offset 0,2.7 center font ",10"
set label 7 "model toy\nranks 4\nbatch per rank 64" at first 18.5, graph 1.0 offset 0,2.7 center font ",10"
set label 8 "model toy\nranks 4\nbatch per rank 128" at first 21.5, graph 1.0 offset 0,2.7 center font ",10"
set label 9 "model toy\nranks 4\nbatch per rank 256" at first 24.5, graph 1.0 offset 0,2.7 center font ",10"
plot $cells index 0 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 0 using 1:2:12 with labels offset 0,1 font ",9" notitle, $cells index 1 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" notitle, $cells index 1 using 1:2:12 with labels offset 0,1 font ",9" notitle, $cells index 2 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" notitle, $cells index 2 using 1:2:12 with labels offset 0,1 font ",9" notitle, $cells index 3 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#CC79A7" notitle, $cells index 3 using 1:2:12 with labels offset 0,1 font ",9" notitle, $cells index 4 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#56B4E9" notitle, $cells index 4 using 1:2:12 with labels offset 0,1 font ",9" notitle, $cells index 5 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#E69F00" notitle, $cells index 5 using 1:2:12 with labels offset 0,1 font ",9" notitle, $cells index 6 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#000000" notitle, $cells index 6 using 1:2:12 with labels offset 0,1 font ",9" notitle, $cells index 7 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#999999" notitle, $cells index 7 using 1:2:12 with labels offset 0,1 font ",9" notitle, $cells index 8 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 8 using 1:2:12 with labels offset 0,1 font ",9" notitle
unset label; set tmargin 1.5
set ylabel "µs an image"; set yrange [0:*]; set format y "%g"; set bmargin 3.5
set xlabel "run"
set boxwidth 0.7; set style fill solid 1.0 noborder
set key at screen 0.99, screen 0.44 right top vertical invert samplen 1 width -2
plot $cells using 1:($5+$6+$7+$8+$9+$10+$11) with boxes lc rgb "#F0E442" title "other", $cells using 1:($5+$6+$7+$8+$9+$10) with boxes lc rgb "#009E73" title "optimizer", $cells using 1:($5+$6+$7+$8+$9) with boxes lc rgb "#999999" title "reduce", $cells using 1:($5+$6+$7+$8) with boxes lc rgb "#0072B2" title "backward", $cells using 1:($5+$6+$7) with boxes lc rgb "#56B4E9" title "forward", $cells using 1:($5+$6) with boxes lc rgb "#CC79A7" title "upload", $cells using 1:($5) with boxes lc rgb "#D55E00" title "wait"
unset multiplot
