set title "verdict: compute-bound, medium confidence" noenhanced
set ylabel 'microseconds an image'
set yrange [0:*]
set grid y
set style fill solid 0.8
set boxwidth 0.6
set key top left
$legs << END
"L" 76.742063 76.742063 76.742063
"C" 24519.481043 24519.481043 24519.481043
"A" 24519.481043 24519.481043 24519.481043
"X" 21778.725824 21778.725824 21778.725824
"E" 22093.001574 22093.001574 22093.001574
END
plot $legs using 0:2:xtic(1) with boxes lc rgb '#0072B2' title 'median', $legs using 0:2:3:4 with yerrorbars lc rgb '#000000' pt 0 title '95 % interval', 24519.481043 lc rgb '#D55E00' lw 2 title 'predicted'
