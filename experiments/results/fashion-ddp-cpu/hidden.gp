# Made by `millrace report`: what t_epoch shows of an epoch's wall.
$rows << EOD
"row F3, 32" 100 15.4317
"row F3, 128" 99.9992 15.5029
"row F4" 100 14.2821
"row F5" 100 14.2177
"row F7" 100 13.0021
"row F8" 100 13.3929
"row F9" 100 13.39
"row F10" 100 13.7539
EOD
set style fill solid 1.0 noborder; set boxwidth 0.7; set border 3; set tics nomirror scale 0; set grid ytics lc rgb "#DDDDDD"
set yrange [0:112]; set ytics 0,25,100; set xrange [-0.6:7.6]; set xtics rotate by -40 noenhanced; set rmargin 8; set bmargin 8
set ylabel "% of the wall of an epoch"; set key outside top center horizontal samplen 1
plot $rows using 0:(100):xticlabels(1) with boxes lc rgb "#D55E00" title "hidden: between steps", $rows using 0:2 with boxes lc rgb "#0072B2" title "t\\_epoch: after the fetch", $rows using 0:(104):(sprintf("%.3g s", $3)) with labels font ",9" notitle
