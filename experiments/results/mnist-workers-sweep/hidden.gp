# Made by `millrace report`: what t_epoch shows of an epoch's wall.
$rows << EOD
"mode single, ranks 1, batch 32, affine on, workers 0" 97.8278 8.91682
"mode single, ranks 1, batch 32, affine on, workers 2" 99.8244 7.90538
"mode single, ranks 1, batch 32, affine on, workers 4" 99.8501 8.81976
"mode single, ranks 1, batch 32, affine off, workers 0" 98.9064 9.32468
"mode single, ranks 1, batch 32, affine off, workers 2" 99.8426 9.34857
"mode single, ranks 1, batch 32, affine off, workers 4" 99.8818 8.14341
"mode single, ranks 1, batch 64, affine on, workers 0" 97.8178 7.46878
"mode single, ranks 1, batch 64, affine on, workers 2" 99.8771 6.65672
"mode single, ranks 1, batch 64, affine on, workers 4" 99.8909 7.42266
"mode single, ranks 1, batch 64, affine off, workers 0" 98.9418 6.55422
"mode single, ranks 1, batch 64, affine off, workers 2" 99.8727 6.9706
"mode single, ranks 1, batch 64, affine off, workers 4" 99.8775 7.64935
"mode ddp, ranks 1, batch 32, affine on, workers 0" 97.9183 9.49152
"mode ddp, ranks 1, batch 32, affine on, workers 2" 99.871 8.55827
EOD
set style fill solid 1.0 noborder; set boxwidth 0.7; set border 3; set tics nomirror scale 0; set grid ytics lc rgb "#DDDDDD"
set yrange [0:112]; set ytics 0,25,100; set xrange [-0.6:13.6]; set xtics rotate by -40 noenhanced; set rmargin 8; set bmargin 8
set ylabel "% of the wall of an epoch"; set key outside top center horizontal samplen 1
plot $rows using 0:(100):xticlabels(1) with boxes lc rgb "#D55E00" title "hidden: between steps", $rows using 0:2 with boxes lc rgb "#0072B2" title "t\\_epoch: after the fetch", $rows using 0:(104):(sprintf("%.3g s", $3)) with labels font ",9" notitle
