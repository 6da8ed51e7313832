set title "verdict: loader-bound, medium confidence" noenhanced
set ylabel 'microseconds an image'
set yrange [0:*]
set grid y
set style fill solid 0.8
set boxwidth 0.6
set key top left
$legs << END
"L" 1875.296853 1642.227973 2089.508687
"C" 0.004266 0.004208 0.004559
"A" 0.004266 0.004208 0.004559
"X" 0.008991 0.008785 0.010258
"E" 1713.372341 1623.428137 1972.486828
END
plot $legs using 0:2:xtic(1) with boxes lc rgb '#0072B2' title 'median', $legs using 0:2:3:4 with yerrorbars lc rgb '#000000' pt 0 title '95 % interval', 1875.296853 lc rgb '#D55E00' lw 2 title 'predicted'
