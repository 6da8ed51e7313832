# Made by `millrace report`: what t_epoch shows of an epoch's wall.
$rows << EOD
"batch 32, affine on, workers 0" 98.0131 15.6023
"batch 32, affine on, workers 2" 99.8826 16.3308
"batch 32, affine on, workers 4" 99.8973 15.7461
"batch 32, affine off, workers 0" 98.9458 18.1469
"batch 32, affine off, workers 2" 99.8974 22.8817
"batch 32, affine off, workers 4" 99.8732 14.3486
"batch 64, affine on, workers 0" 98.0715 14.3196
"batch 64, affine on, workers 2" 99.8847 15.6001
"batch 64, affine on, workers 4" 99.9005 17.5843
"batch 64, affine off, workers 0" 98.9921 16.1875
"batch 64, affine off, workers 2" 99.9112 15.0949
"batch 64, affine off, workers 4" 99.9178 13.2441
EOD
set style fill solid 1.0 noborder; set boxwidth 0.7; set border 3; set tics nomirror scale 0; set grid ytics lc rgb "#DDDDDD"
set yrange [0:112]; set ytics 0,25,100; set xrange [-0.6:11.6]; set xtics rotate by -40 noenhanced; set rmargin 8; set bmargin 8
set ylabel "% of the wall of an epoch"; set key outside top center horizontal samplen 1
plot $rows using 0:(100):xticlabels(1) with boxes lc rgb "#D55E00" title "hidden: between steps", $rows using 0:2 with boxes lc rgb "#0072B2" title "t\\_epoch: after the fetch", $rows using 0:(104):(sprintf("%.3g s", $3)) with labels font ",9" notitle
