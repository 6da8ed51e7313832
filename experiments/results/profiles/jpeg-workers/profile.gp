set title "verdict: loader-bound, high confidence" noenhanced
set ylabel 'microseconds an image'
set yrange [0:*]
set grid y
set style fill solid 0.8
set boxwidth 0.6
set key outside top center horizontal samplen 1
$legs << END
"L" 1101.308222 1065.915172 1120.106059
"C" 0.003432 0.003424 0.003582
"A" 0.003432 0.003424 0.003582
"X" 0.008728 0.008692 0.008965
"E" 1093.152595 1051.296778 1135.572406
END
plot $legs using 0:2:xtic(1) with boxes lc rgb '#0072B2' title 'median', $legs using 0:2:3:4 with yerrorbars lc rgb '#000000' pt 0 title '95 % interval', 1101.308222 lc rgb '#D55E00' lw 2 title 'predicted'
