# Made by `millrace report`: what t_epoch shows of an epoch's wall.
$rows << EOD
"run published, ranks 2, batch per rank 64" 99.9962 28.9408
"run published, ranks 2, batch per rank 128" 99.9914 24.4801
"run published, ranks 2, batch per rank 256" 99.9942 22.537
"run published, ranks 4, batch per rank 64" 99.9977 63.812
"run published, ranks 4, batch per rank 128" 100 51.3441
"run published, ranks 4, batch per rank 256" 99.9998 56.6446
EOD
set style fill solid 1.0 noborder; set boxwidth 0.7; set border 3; set tics nomirror scale 0; set grid ytics lc rgb "#DDDDDD"
set yrange [0:112]; set ytics 0,25,100; set xrange [-0.6:5.6]; set xtics rotate by -40 noenhanced; set rmargin 8; set bmargin 8
set ylabel "% of the wall of an epoch"; set key outside top center horizontal samplen 1
plot $rows using 0:(100):xticlabels(1) with boxes lc rgb "#D55E00" title "hidden: between steps", $rows using 0:2 with boxes lc rgb "#0072B2" title "t\\_epoch: after the fetch", $rows using 0:(104):(sprintf("%.3g s", $3)) with labels font ",9" notitle
