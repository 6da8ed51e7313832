# Made by `millrace report`: what t_epoch shows of an epoch's wall.
$rows << EOD
"toy base 64" 21.2942 0.72
"toy base 128" 14.4574 0.64
"toy base 256" 9.69952 0.61
"toy 2x64" 8.50995 4.29
"toy 2x128" 4.87846 4.03
"toy 2x256" 3.15234 4.07
"toy 4x64" 9.85135 4.83
"toy 4x128" 6.16965 4.73
"toy 4x256" 4.26989 4.66
"MobileNet base 64" 99.6434 435.1
"MobileNet base 128" 99.6988 288.9
"MobileNet base 256" 99.6684 188.6
"MobileNet 2x64" 98.7593 336.1
"MobileNet 2x128" 98.161 218.8
"MobileNet 2x256" 96.8845 131.4
"MobileNet 4x64" 98.1165 264
"MobileNet 4x128" 96.9207 161.6
"MobileNet 4x256" 95.0146 100.1
EOD
set style fill solid 1.0 noborder; set boxwidth 0.7; set border 3; set tics nomirror scale 0; set grid ytics lc rgb "#DDDDDD"
set yrange [0:112]; set ytics 0,25,100; set xrange [-0.6:17.6]; set xtics rotate by -40 noenhanced; set rmargin 8; set bmargin 8
set ylabel "% of the wall of an epoch"; set key outside top center horizontal samplen 1
plot $rows using 0:(100):xticlabels(1) with boxes lc rgb "#D55E00" title "hidden: between steps", $rows using 0:2 with boxes lc rgb "#0072B2" title "t\\_epoch: after the fetch", $rows using 0:(104):(sprintf("%.3g s", $3)) with labels font ",9" notitle
