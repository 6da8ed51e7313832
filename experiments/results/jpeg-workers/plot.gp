# Made by `millrace report` from results.jsonl. gnuplot -e "set terminal pngcairo size 1000,760; set output 'plot.png'" plot.gp
$cells << EOD
0 601.709 601.709 601.709 67.7787 1341.57 253.938 3.73302 "602"
1 605.289 605.289 605.289 59.4559 1344.95 263.131 5.38133 "605"
2 1280.39 1280.39 1280.39 58.7769 1283.76 252.595 6.22968 "1,280"


4 738.547 738.547 738.547 46.8245 1042.45 277.852 0.979712 "739"
5 558.952 558.952 558.952 72.9452 1348.8 444.063 7.22216 "559"
6 1314.42 1314.42 1314.42 48.6395 1172.49 366.392 4.37612 "1,314"


8 618.684 618.684 618.684 57.9887 1204.51 301.406 1.32957 "619"
9 659.69 659.69 659.69 53.0403 1196.34 296.499 3.9377 "660"
10 1106.11 1106.11 1106.11 49.9295 1375.32 384.602 3.27586 "1,106"


12 705.594 705.594 705.594 44.5174 1038.91 345.269 0.876399 "706"
13 712.107 712.107 712.107 43.0922 1037.43 383.638 1.69969 "712"
14 1361.5 1361.5 1361.5 44.8853 1084.08 419.303 4.99146 "1,361"


16 610.052 610.052 610.052 46.9059 1082.53 496.367 1.05028 "610"
17 572.826 572.826 572.826 53.9619 1160.33 541.704 4.08789 "573"
18 1161.75 1161.75 1161.75 48.5412 1145.18 561.734 5.42646 "1,162"


20 616.803 616.803 616.803 44.8734 1046.62 535.457 0.91726 "617"
21 597.346 597.346 597.346 51.4468 1117.32 644.052 2.98729 "597"
22 1043.96 1043.96 1043.96 55.3653 1223.59 724.979 5.084 "1,044"


24 595.285 595.285 595.285 46.1848 1061.39 575.893 0.953616 "595"
25 513.49 513.49 513.49 55.0531 1255.59 688.191 4.34852 "513"
26 1039.05 1039.05 1039.05 50.0904 1233.98 704.284 3.74473 "1,039"


28 584.781 584.781 584.781 47.2582 1052.63 612.75 0.984332 "585"
29 433.139 433.139 433.139 61.3454 1412.66 914.51 5.39943 "433"
30 902.309 902.309 902.309 60.4863 1346.7 879.53 9.1838 "902"


EOD
set multiplot layout 2,1 title "jpeg-workers" font ",14"
set lmargin 11; set rmargin 16; set tmargin 4.5; set bmargin 2
set xrange [-0.6:30.6]
set xtics ("0" 0, "1" 1, "2" 2, "" 3, "0" 4, "1" 5, "2" 6, "" 7, "0" 8, "1" 9, "2" 10, "" 11, "0" 12, "1" 13, "2" 14, "" 15, "0" 16, "1" 17, "2" 18, "" 19, "0" 20, "1" 21, "2" 22, "" 23, "0" 24, "1" 25, "2" 26, "" 27, "0" 28, "1" 29, "2" 30) nomirror scale 0
set grid ytics lc rgb "#DDDDDD"; set border 3; set ytics nomirror; set format y "%.0f"
set ylabel "images/s"; set yrange [0:1633.8]
set label 1 "randaugment off\ninterpolation bilinear\ndtype u8" at first 1, graph 1.0 offset 0,2.7 center font ",10"
set label 2 "randaugment off\ninterpolation bilinear\ndtype f32" at first 5, graph 1.0 offset 0,2.7 center font ",10"
set label 3 "randaugment off\ninterpolation bicubic\ndtype u8" at first 9, graph 1.0 offset 0,2.7 center font ",10"
set label 4 "randaugment off\ninterpolation bicubic\ndtype f32" at first 13, graph 1.0 offset 0,2.7 center font ",10"
set label 5 "randaugment on\ninterpolation bilinear\ndtype u8" at first 17, graph 1.0 offset 0,2.7 center font ",10"
set label 6 "randaugment on\ninterpolation bilinear\ndtype f32" at first 21, graph 1.0 offset 0,2.7 center font ",10"
set label 7 "randaugment on\ninterpolation bicubic\ndtype u8" at first 25, graph 1.0 offset 0,2.7 center font ",10"
set label 8 "randaugment on\ninterpolation bicubic\ndtype f32" at first 29, graph 1.0 offset 0,2.7 center font ",10"
plot $cells index 0 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#0072B2" notitle, $cells index 0 using 1:2:9 with labels offset 0,1 font ",9" notitle, $cells index 1 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#D55E00" notitle, $cells index 1 using 1:2:9 with labels offset 0,1 font ",9" notitle, $cells index 2 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#009E73" notitle, $cells index 2 using 1:2:9 with labels offset 0,1 font ",9" notitle, $cells index 3 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#CC79A7" notitle, $cells index 3 using 1:2:9 with labels offset 0,1 font ",9" notitle, $cells index 4 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#56B4E9" notitle, $cells index 4 using 1:2:9 with labels offset 0,1 font ",9" notitle, $cells index 5 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#E69F00" notitle, $cells index 5 using 1:2:9 with labels offset 0,1 font ",9" notitle, $cells index 6 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#000000" notitle, $cells index 6 using 1:2:9 with labels offset 0,1 font ",9" notitle, $cells index 7 using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.9 lc rgb "#999999" notitle, $cells index 7 using 1:2:9 with labels offset 0,1 font ",9" notitle
unset label; set tmargin 1.5
set ylabel "µs of a worker an image"; set yrange [0:*]; set format y "%g"; set bmargin 3.5
set xlabel "workers"
set boxwidth 0.7; set style fill solid 1.0 noborder
set key at screen 0.99, screen 0.44 right top vertical invert samplen 1 width -2
plot $cells using 1:($5+$6+$7+$8) with boxes lc rgb "#F0E442" title "other", $cells using 1:($5+$6+$7) with boxes lc rgb "#009E73" title "augment", $cells using 1:($5+$6) with boxes lc rgb "#0072B2" title "decode", $cells using 1:($5) with boxes lc rgb "#CC79A7" title "read"
unset multiplot
