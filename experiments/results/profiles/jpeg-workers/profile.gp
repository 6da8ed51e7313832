set title "verdict: loader-bound, high confidence" noenhanced
set ylabel 'microseconds an image'
set yrange [0:*]
set grid y
set style fill solid 0.8
set boxwidth 0.6
set key outside top center horizontal samplen 1
$legs << END
"L" 1124.570073 1089.539400 1194.354848
"C" 0.003483 0.003437 0.003519
"A" 0.003483 0.003437 0.003519
"X" 0.008713 0.008689 0.008984
"E" 1101.590477 1075.632675 1151.229625
END
plot $legs using 0:2:xtic(1) with boxes lc rgb '#0072B2' title 'median', $legs using 0:2:3:4 with yerrorbars lc rgb '#000000' pt 0 title '95 % interval', 1124.570073 lc rgb '#D55E00' lw 2 title 'predicted'
