-- 手术：有变动的住院，其手术整份重报。
SELECT s.id      AS row_id,
       s.xgsj    AS changed_at,
       s.zyh     AS ipt_no,
       s.sslb    AS oprn_oprt_type,
       s.ssbm    AS oprn_oprt_code,
       s.ssmc    AS oprn_oprt_name,
       s.mzfs    AS anst_way,
       s.sz      AS oper_dr_code,
       s.szxm    AS oper_dr_name,
       s.mzys    AS anst_dr_code,
       s.kssj    AS oprn_oprt_begntime,
       s.jssj    AS oprn_oprt_endtime,
       s.mzkssj  AS anst_begntime,
       s.mzjssj  AS anst_endtime,
       s.zfbz    AS void_flag
FROM   zy_ssjl s
