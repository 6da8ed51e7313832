# Made by `millrace report`: what t_epoch shows of an epoch's wall.
$rows << EOD
"affine on, workers 0" 14.522 7.16832
"affine on, workers 1" 17.0057 6.13306
"affine on, workers 2" 33.7068 3.07837
"affine on, workers 4" 36.3796 2.92162
"affine off, workers 0" 24.6481 4.23654
"affine off, workers 1" 32.8581 3.19957
"affine off, workers 2" 63.2122 1.64932
"affine off, workers 4" 66.7836 1.72018
EOD
set style fill solid 1.0 noborder; set boxwidth 0.7; set border 3; set tics nomirror scale 0; set grid ytics lc rgb "#DDDDDD"
set yrange [0:112]; set ytics 0,25,100; set xrange [-0.6:7.6]; set xtics rotate by -40 noenhanced; set rmargin 8; set bmargin 8
set ylabel "% of the wall of an epoch"; set key outside top center horizontal samplen 1
plot $rows using 0:(100):xticlabels(1) with boxes lc rgb "#D55E00" title "hidden: between steps", $rows using 0:2 with boxes lc rgb "#0072B2" title "t\\_epoch: after the fetch", $rows using 0:(104):(sprintf("%.3g s", $3)) with labels font ",9" notitle
