# Made by `millrace report`: what t_epoch shows of an epoch's wall.
$rows << EOD
"model toy, run published, ranks 1, batch per rank 64" 87.6451 0.200206
"model toy, run published, ranks 1, batch per rank 128" 83.7768 0.129378
"model toy, run published, ranks 1, batch per rank 256" 78.4791 0.0946671
"model toy, run published, ranks 2, batch per rank 64" 99.6998 0.182612
"model toy, run published, ranks 2, batch per rank 128" 99.7301 0.131715
"model toy, run published, ranks 2, batch per rank 256" 99.6386 0.0916217
"model toy, run published, ranks 4, batch per rank 64" 99.9654 0.215861
"model toy, run published, ranks 4, batch per rank 128" 100 0.130155
"model toy, run published, ranks 4, batch per rank 256" 100 0.0943481
"model toy, run twin, ranks 1, batch per rank 64" 99.5075 0.217779
"model toy, run twin, ranks 1, batch per rank 128" 99.3861 0.136635
"model toy, run twin, ranks 1, batch per rank 256" 99.2413 0.108481
"model toy, run twin, ranks 2, batch per rank 64" 99.696 0.163585
"model toy, run twin, ranks 2, batch per rank 128" 99.5858 0.111269
"model toy, run twin, ranks 2, batch per rank 256" 99.6326 0.0898763
"model toy, run twin, ranks 4, batch per rank 64" 100 0.173932
"model toy, run twin, ranks 4, batch per rank 128" 100 0.129328
"model toy, run twin, ranks 4, batch per rank 256" 100 0.101622
EOD
set style fill solid 1.0 noborder; set boxwidth 0.7; set border 3; set tics nomirror scale 0; set grid ytics lc rgb "#DDDDDD"
set yrange [0:112]; set ytics 0,25,100; set xrange [-0.6:17.6]; set xtics rotate by -40 noenhanced; set rmargin 8; set bmargin 8
set ylabel "% of the wall of an epoch"; set key outside top center horizontal samplen 1
plot $rows using 0:(100):xticlabels(1) with boxes lc rgb "#D55E00" title "hidden: between steps", $rows using 0:2 with boxes lc rgb "#0072B2" title "t\\_epoch: after the fetch", $rows using 0:(104):(sprintf("%.3g s", $3)) with labels font ",9" notitle
