# Made by `millrace report`: what t_epoch shows of an epoch's wall.
$rows << EOD
"mode single, ranks 1, batch 32, affine on, workers 0" 97.0381 3.74785
"mode single, ranks 1, batch 32, affine on, workers 2" 99.8873 3.67299
"mode single, ranks 1, batch 32, affine on, workers 4" 99.9 3.68814
"mode ddp, ranks 1, batch 32, affine on, workers 0" 97.5661 3.79946
"mode ddp, ranks 1, batch 32, affine on, workers 2" 99.8959 3.63276
"mode ddp, ranks 1, batch 32, affine on, workers 4" 99.8845 3.7029
"mode ddp, ranks 8, batch 32, affine on, workers 0" 99.5595 6.63158
"mode ddp, ranks 8, batch 32, affine on, workers 2" 99.9342 7.19936
"mode ddp, ranks 8, batch 32, affine on, workers 4" 99.9288 7.41562
"mode dp, ranks 8, batch 32, affine on, workers 0" 98.2701 7.42239
"mode dp, ranks 8, batch 32, affine on, workers 2" 99.9161 7.66885
"mode dp, ranks 8, batch 32, affine on, workers 4" 99.9105 7.53156
EOD
set style fill solid 1.0 noborder; set boxwidth 0.7; set border 3; set tics nomirror scale 0; set grid ytics lc rgb "#DDDDDD"
set yrange [0:112]; set ytics 0,25,100; set xrange [-0.6:11.6]; set xtics rotate by -40 noenhanced; set rmargin 8; set bmargin 8
set ylabel "% of the wall of an epoch"; set key outside top center horizontal samplen 1
plot $rows using 0:(100):xticlabels(1) with boxes lc rgb "#D55E00" title "hidden: between steps", $rows using 0:2 with boxes lc rgb "#0072B2" title "t\\_epoch: after the fetch", $rows using 0:(104):(sprintf("%.3g s", $3)) with labels font ",9" notitle
